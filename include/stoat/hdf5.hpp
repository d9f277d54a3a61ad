// stoat/hdf5.hpp: files of spikes, weights and networks in HDF5 (the target stoat::hdf5).
#pragma once

#include <stoat/hdf5/nir.hpp>
#include <stoat/hdf5/spike_file.hpp>
#include <stoat/hdf5/weight_file.hpp>

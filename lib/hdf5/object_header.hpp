// The headers of objects, before HDF5 sees them: HDF5 1.10 divides by the sizes of a dataset's pieces ("chunks") as soon as it
// opens it, and trusts them.
#pragma once

#include <cstdint>
#include <string>

#include "file.hpp"

namespace stoat::hdf5 {

/// Reads the header at this address (HDF5 file format specification, section IV.A). Throws Error, naming the object, if it is
/// damaged, or if pieces of a dataset have no bytes, 2^32 or more, or another rank than the dataset.
void check_header(const Reader& file, std::uint64_t address, const std::string& object);

}  // namespace stoat::hdf5

// stoat/snn.hpp: everything about spiking networks.
#pragma once

#include <stoat/snn/analysis.hpp>
#include <stoat/snn/bias.hpp>
#include <stoat/snn/data_source.hpp>
#include <stoat/snn/encode.hpp>
#include <stoat/snn/functions.hpp>
#include <stoat/snn/gradient.hpp>
#include <stoat/snn/layers.hpp>
#include <stoat/snn/loss.hpp>
#include <stoat/snn/network.hpp>
#include <stoat/snn/plot.hpp>
#include <stoat/snn/randman.hpp>
#include <stoat/snn/raster.hpp>
#include <stoat/snn/spike_events.hpp>
#include <stoat/snn/spike_text.hpp>
#include <stoat/snn/train.hpp>

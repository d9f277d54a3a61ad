// stoat/program/sampler.hpp: where a program gets its draws from: plain numbers in a run, variables in a recording.
#pragma once

#include <stoat/program/plain_sampler.hpp>
#include <stoat/program/recorded_block.hpp>
#include <stoat/program/recorded_sampler.hpp>
#include <stoat/program/recorded_segments.hpp>

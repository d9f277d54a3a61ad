// stoat/version.hpp: the version of the library. CMake reads it from here. What a version promises: examples/guide/changes.md.
#pragma once

#define STOAT_VERSION_MAJOR 1
#define STOAT_VERSION_MINOR 0
#define STOAT_VERSION_PATCH 0

/// One number for `#if`: 10203 is version 1.2.3.
#define STOAT_VERSION (STOAT_VERSION_MAJOR * 10000 + STOAT_VERSION_MINOR * 100 + STOAT_VERSION_PATCH)

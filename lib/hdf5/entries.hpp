// The entries of a dataset as bytes. HDF5 1.10 reads past its buffers where a damaged file's sizes of chunks, entries and
// compressed bytes disagree; here they are compared.
#pragma once

#include <optional>
#include <string>

#include "file.hpp"

namespace stoat::hdf5 {

/// All entries, of so many bytes each, the last index fastest; nothing if they are laid out or compressed in a way that HDF5 has to
/// read. Throws Error if something does not fit.
std::optional<std::string> entries(const Reader& file, const std::string& name, hid_t set, const Shape& shape, std::size_t entry);

/// Bytes of a file. Throws Error, naming the object, if it is not that long.
std::string bytes_at(const Reader& file, std::uint64_t at, std::uint64_t size, const std::string& object);

/// An unsigned number of so many bytes, at most eight, the lowest first.
std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t size);

}  // namespace stoat::hdf5

// Entries of variable length: lists of numbers and texts. A dataset keeps for each entry its length and where its bytes are: an
// object in one of the file's "global heaps" (HDF5 file format specification, sections III.E and IV.A.2.d). HDF5 1.10 trusts these
// sizes and may write past its buffers where they disagree, so they are checked, and the bytes fetched, here.
#pragma once

#include "file.hpp"

namespace stoat::hdf5 {

class VariableLength {
 public:
  /// Throws Error if the dataset is damaged, or laid out or compressed in a way that is not read here.
  VariableLength(const Reader& file, const std::string& name, hid_t set, const Shape& shape);
  /// The bytes of entry i of so many bytes for each item. `where` names it in errors.
  std::string bytes(std::size_t i, std::size_t item, const std::string& where);

 private:
  const Reader& file_;
  std::size_t address_bytes_, size_bytes_;
  std::string places_;         ///< of all entries; empty if none was ever written
  std::uint64_t heap_at_ = 0;  ///< the heap that was read last
  std::string heap_;
};

}  // namespace stoat::hdf5

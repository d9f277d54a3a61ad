// Entries of variable length: lists of numbers and texts. A dataset keeps for each entry its length and where its bytes are: an
// object in one of the file's "global heaps" (HDF5 file format specification, sections III.E and IV.A.2.d). HDF5 1.10 trusts these
// sizes and may write past its buffers where they disagree, so they are checked, and the bytes fetched, here.
#pragma once

#include <fstream>
#include <map>
#include <optional>

#include "file.hpp"

namespace stoat::hdf5 {

class VariableLength {
 public:
  /// `set` stays open as long as this lives. Throws Error if the dataset is laid out in a way that is not read here.
  VariableLength(const Reader& file, std::string name, hid_t set);
  /// False if the places of the entries are compressed: then HDF5 has to read them, and a checksum guards them.
  bool readable() const { return !filtered_; }
  /// The bytes of entry i of so many bytes for each item. `where` names it in errors.
  std::string bytes(hsize_t i, std::size_t item, const std::string& where);

 private:
  struct Place {
    std::uint64_t count = 0, heap = 0, object = 0;
  };
  Place place(hsize_t i, const std::string& where);
  std::string heap(std::uint64_t at, const std::string& where);
  std::string raw(std::uint64_t at, std::uint64_t size, const std::string& where);

  const Reader& file_;
  hid_t set_;
  std::ifstream in_;
  bool filtered_ = false;
  std::optional<std::uint64_t> first_;  ///< where a contiguous dataset begins; nothing if it was never written
  hsize_t chunk_ = 0;                   ///< rows of a chunk; 0: contiguous
  std::uint64_t chunk_at_ = 0;          ///< the chunk that was read last
  std::string chunk_bytes_;
  std::size_t address_bytes_ = 8, size_bytes_ = 8;
  std::uint64_t heap_at_ = 0;  ///< the heap that was read last
  std::string heap_bytes_;
};

}  // namespace stoat::hdf5

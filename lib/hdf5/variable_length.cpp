#include "variable_length.hpp"

#include <algorithm>

#include "entries.hpp"

namespace stoat::hdf5 {
VariableLength::VariableLength(const Reader& file, const std::string& name, hid_t set, const Shape& shape)
    : file_(file), address_bytes_(file.address_bytes()), size_bytes_(file.size_bytes()) {
  if (H5Dget_storage_size(set) == 0) return;
  std::optional<std::string> places = entries(file, name, set, shape, 4 + address_bytes_ + 4);
  if (!places) file.fail(name, "entries of variable length are not read from this layout");
  places_ = std::move(*places);
}

std::string VariableLength::bytes(std::size_t i, std::size_t item, const std::string& where) {
  const std::size_t at_place = i * (4 + address_bytes_ + 4);
  if (at_place >= places_.size()) return {};
  const std::uint64_t count = number(places_, at_place, 4), heap = number(places_, at_place + 4, address_bytes_),
                      object = number(places_, at_place + 4 + address_bytes_, 4);
  if (count == 0) return {};
  if (heap != heap_at_ || heap_.empty()) {
    heap_.clear();
    const std::string head = bytes_at(file_, heap, 8 + size_bytes_, where);
    if (head.substr(0, 5) != std::string("GCOL\1")) file_.fail(where, "it is damaged: its heap is missing");
    heap_ = bytes_at(file_, heap, number(head, 8, size_bytes_), where), heap_at_ = heap;
  }
  // Objects follow each other, each with a header, in multiples of 8 bytes; number 0 is what is free.
  const std::size_t header = 8 + size_bytes_;
  for (std::size_t at = header; at + header <= heap_.size();) {
    const std::uint64_t index = number(heap_, at, 2), size = number(heap_, at + 8, size_bytes_);
    const std::size_t room = heap_.size() - at - header;
    if (index == 0) break;
    if (size > room) break;
    if (index == object) {
      if (size / item < count)
        file_.fail(where, "it is damaged: " + std::to_string(count) + " items were announced, and " + std::to_string(size) +
                              " bytes are there");
      return heap_.substr(at + header, count * item);
    }
    at += header + std::min<std::size_t>(room, (size + 7) / 8 * 8);
  }
  file_.fail(where, "it is damaged: its heap has no object " + std::to_string(object));
}

}  // namespace stoat::hdf5

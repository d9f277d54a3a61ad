#include "variable_length.hpp"

#include <algorithm>

namespace stoat::hdf5 {
namespace {

/// An unsigned number of so many bytes, the lowest first.
std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t k = size; k-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + k]);
  return value;
}

}  // namespace

VariableLength::VariableLength(const Reader& file, std::string name, hid_t set)
    : file_(file), set_(set), in_(file.path(), std::ios::binary) {
  const Handle options(H5Dget_create_plist(set), H5Pclose), owner(H5Iget_file_id(set), H5Fclose);
  const Handle creation(owner < 0 ? H5I_INVALID_HID : H5Fget_create_plist(owner), H5Pclose);
  hsize_t user_block = 0;
  if (options < 0 || creation < 0 || H5Pget_sizes(creation, &address_bytes_, &size_bytes_) < 0 ||
      H5Pget_userblock(creation, &user_block) < 0)
    file.fail(name);
  filtered_ = H5Pget_nfilters(options) != 0;
  const H5D_layout_t layout = H5Pget_layout(options);
  const bool known = layout == H5D_CONTIGUOUS || (layout == H5D_CHUNKED && H5Pget_chunk(options, 1, &chunk_) == 1);
  if (!known || user_block != 0 || H5Pget_external_count(options) > 0 || address_bytes_ > 8 || size_bytes_ > 8)
    file.fail(name, "entries of variable length are not read from this layout");
  if (layout == H5D_CONTIGUOUS)
    if (const haddr_t at = H5Dget_offset(set); at != HADDR_UNDEF) first_ = at;
}

std::string VariableLength::raw(std::uint64_t at, std::uint64_t size, const std::string& where) {
  if (at > file_.bytes() || size > file_.bytes() - at) file_.fail(where, "it is damaged: it lies outside of the file");
  std::string bytes(size, '\0');
  in_.clear();
  if (!in_.seekg(static_cast<std::streamoff>(at)) || !in_.read(bytes.data(), static_cast<std::streamsize>(size)))
    file_.fail(where, "it cannot be read");
  return bytes;
}

VariableLength::Place VariableLength::place(hsize_t i, const std::string& where) {
  const std::size_t size = 4 + address_bytes_ + 4;
  std::string bytes;
  if (chunk_ > 0) {
    const hsize_t corner = i / chunk_ * chunk_;
    unsigned mask = 0;
    haddr_t at = HADDR_UNDEF;
    hsize_t stored = 0;
    if (H5Dget_chunk_info_by_coord(set_, &corner, &mask, &at, &stored) < 0) file_.fail(where);
    if (at == HADDR_UNDEF) return {};
    if (stored < chunk_ * size || at == 0) file_.fail(where, "it is damaged: its chunk is too small");
    if (at != chunk_at_) chunk_bytes_ = raw(at, chunk_ * size, where), chunk_at_ = at;
    bytes = chunk_bytes_.substr((i - corner) * size, size);
  } else if (first_) {
    if (i > file_.bytes() / size) file_.fail(where, "it is damaged: it lies outside of the file");
    bytes = raw(*first_ + i * size, size, where);
  } else {
    return {};
  }
  return {number(bytes, 0, 4), number(bytes, 4, address_bytes_), number(bytes, 4 + address_bytes_, 4)};
}

std::string VariableLength::heap(std::uint64_t at, const std::string& where) {
  const std::string head = raw(at, 8 + size_bytes_, where);
  if (head.substr(0, 5) != std::string("GCOL\1")) file_.fail(where, "it is damaged: its heap is missing");
  return raw(at, number(head, 8, size_bytes_), where);
}

std::string VariableLength::bytes(hsize_t i, std::size_t item, const std::string& where) {
  const Place place = this->place(i, where);
  if (place.count == 0) return {};
  if (place.heap != heap_at_ || heap_bytes_.empty()) {
    heap_bytes_.clear();
    heap_bytes_ = heap(place.heap, where), heap_at_ = place.heap;
  }
  // Objects follow each other, each with a header, in multiples of 8 bytes; number 0 is what is free.
  const std::size_t header = 8 + size_bytes_;
  for (std::size_t at = header; heap_bytes_.size() - at >= header;) {
    const std::uint64_t index = number(heap_bytes_, at, 2), size = number(heap_bytes_, at + 8, size_bytes_);
    const std::size_t room = heap_bytes_.size() - at - header;
    if (index == 0) break;
    if (size > room) break;
    if (index == place.object) {
      if (size / item < place.count)
        file_.fail(where, "it is damaged: " + std::to_string(place.count) + " items were announced, and " + std::to_string(size) +
                              " bytes are there");
      return heap_bytes_.substr(at + header, place.count * item);
    }
    at += header + std::min<std::size_t>(room, (size + 7) / 8 * 8);
  }
  file_.fail(where, "it is damaged: its heap has no object " + std::to_string(place.object));
}

}  // namespace stoat::hdf5

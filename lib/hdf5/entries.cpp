#include "entries.hpp"

#include <algorithm>
#include <array>
#include <fstream>

#include <zlib.h>

namespace stoat::hdf5 {
namespace {

/// What was done to the bytes of a chunk, in this order.
std::optional<std::vector<H5Z_filter_t>> filters(hid_t options) {
  std::vector<H5Z_filter_t> list;
  for (int k = 0; k < H5Pget_nfilters(options); ++k) {
    std::array<unsigned, 8> values{};
    std::size_t count = values.size();
    unsigned flags = 0;
    list.push_back(H5Pget_filter2(options, static_cast<unsigned>(k), &flags, &count, values.data(), 0, nullptr, nullptr));
    if (list.back() != H5Z_FILTER_DEFLATE && list.back() != H5Z_FILTER_SHUFFLE) return std::nullopt;
  }
  return list;
}

/// Bytes of one place in all entries come together; here they go back to their entries.
std::string unshuffled(const std::string& bytes, std::size_t entry) {
  std::string out(bytes.size(), '\0');
  const std::size_t count = bytes.size() / entry;
  for (std::size_t k = 0; k < entry; ++k)
    for (std::size_t i = 0; i < count; ++i) out[i * entry + k] = bytes[k * count + i];
  return out;
}

class Chunks {
 public:
  Chunks(const Reader& file, const std::string& name, hid_t set, const Shape& shape, std::size_t entry, Shape chunk,
         std::vector<H5Z_filter_t> filters)
      : file_(file), name_(name), set_(set), shape_(shape), entry_(entry), chunk_(std::move(chunk)), filters_(std::move(filters)) {
    const auto damaged = [&] { file.fail(name, "it is damaged: its pieces are larger than the file can hold"); };
    size_ = entry;
    hsize_t pieces = 1;
    for (std::size_t k = 0; k < shape.size(); ++k) {
      if (chunk_[k] == 0 || size_ > largest / chunk_[k]) damaged();
      size_ *= chunk_[k];
      pieces *= (shape[k] - 1) / chunk_[k] + 1;
      if (pieces > file.bytes()) damaged();
    }
  }

  /// False if a chunk was never written.
  bool copy(std::string& out) const {
    Shape corner(shape_.size());
    for (bool more = true; more; more = next(corner, chunk_)) {
      const std::optional<std::string> bytes = chunk_at(corner);
      if (!bytes) return false;
      copy(*bytes, corner, out);
    }
    return true;
  }

 private:
  /// A chunk of more than this is no chunk (bytes).
  static constexpr std::uint64_t largest = std::uint64_t{1} << 32;

  /// The next corner in steps of `step`; false after the last one.
  bool next(Shape& corner, const Shape& step) const {
    for (std::size_t k = corner.size(); k-- > 0;) {
      if ((corner[k] += step[k]) < shape_[k]) return true;
      corner[k] = 0;
    }
    return false;
  }

  std::optional<std::string> chunk_at(const Shape& corner) const {
    unsigned skipped = 0;
    haddr_t at = HADDR_UNDEF;
    hsize_t stored = 0;
    if (H5Dget_chunk_info_by_coord(set_, corner.data(), &skipped, &at, &stored) < 0) file_.fail(name_);
    if (at == HADDR_UNDEF) return std::nullopt;
    std::string bytes = bytes_at(file_, at, stored, name_);
    for (std::size_t k = filters_.size(); k-- > 0;) {
      if (skipped >> k & 1) continue;
      if (filters_[k] == H5Z_FILTER_DEFLATE) bytes = inflated(bytes);
      else if (bytes.size() == size_) bytes = unshuffled(bytes, entry_);
    }
    if (bytes.size() != size_)
      file_.fail(name_, "it is damaged: a piece of " + std::to_string(size_) + " bytes has " + std::to_string(bytes.size()));
    return bytes;
  }
  std::string inflated(const std::string& bytes) const {
    // No byte becomes more than this many.
    if (size_ / 1100 > bytes.size()) file_.fail(name_, "it is damaged: a piece is too short");
    std::string out(size_, '\0');
    uLongf size = size_;
    const int status =
        uncompress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    if (status != Z_OK || size != size_) file_.fail(name_, "it is damaged: a piece cannot be uncompressed");
    return out;
  }

  /// Copies a chunk, row by row, where it lies within the dataset.
  void copy(const std::string& bytes, const Shape& corner, std::string& out) const {
    const std::size_t rank = shape_.size();
    const hsize_t row = std::min(chunk_[rank - 1], shape_[rank - 1] - corner[rank - 1]) * entry_;
    const hsize_t rows = size_ / (chunk_[rank - 1] * entry_);
    for (hsize_t r = 0; r < rows; ++r) {
      hsize_t rest = r, to = 0, scale = shape_[rank - 1];
      bool inside = true;
      for (std::size_t k = rank - 1; k-- > 0;) {
        const hsize_t place = corner[k] + rest % chunk_[k];
        rest /= chunk_[k];
        inside = inside && place < shape_[k];
        to += place * scale;
        scale *= shape_[k];
      }
      if (inside) std::copy_n(bytes.data() + r * chunk_[rank - 1] * entry_, row, out.data() + (to + corner[rank - 1]) * entry_);
    }
  }

  const Reader& file_;
  const std::string& name_;
  hid_t set_;
  const Shape& shape_;
  std::size_t entry_;
  Shape chunk_;
  std::vector<H5Z_filter_t> filters_;
  std::uint64_t size_ = 0;  ///< bytes of a chunk
};

}  // namespace

std::string bytes_at(const Reader& file, std::uint64_t at, std::uint64_t size, const std::string& object) {
  if (at > file.bytes() || size > file.bytes() - at) file.fail(object, "it is damaged: it lies outside of the file");
  std::string bytes(size, '\0');
  std::ifstream& in = file.stream();
  in.clear();
  if (!in.seekg(static_cast<std::streamoff>(at)) || !in.read(bytes.data(), static_cast<std::streamsize>(size)))
    file.fail(object, "it cannot be read");
  return bytes;
}

std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t k = size; k-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + k]);
  return value;
}

std::optional<std::string> entries(const Reader& file, const std::string& name, hid_t set, const Shape& shape, std::size_t entry) {
  const Handle options(H5Dget_create_plist(set), H5Pclose);
  if (options < 0) file.fail(name);
  if (H5Pget_external_count(options) > 0 || file.user_block() > 0 || entry == 0) return std::nullopt;
  std::size_t count = 1;
  for (const hsize_t n : shape) count *= n;
  const H5D_layout_t layout = H5Pget_layout(options);
  if (layout == H5D_CONTIGUOUS) {
    const haddr_t at = H5Dget_offset(set);
    if (at == HADDR_UNDEF) return std::nullopt;
    if (count > file.bytes() / entry) file.fail(name, "it is damaged: it lies outside of the file");
    return bytes_at(file, at, count * entry, name);
  }
  const std::optional<std::vector<H5Z_filter_t>> done = filters(options);
  if (layout != H5D_CHUNKED || !done || count == 0) return std::nullopt;
  Shape chunk(shape.size());
  const int rank = static_cast<int>(shape.size());
  if (rank == 0 || H5Pget_chunk(options, rank, chunk.data()) != rank)
    file.fail(name, "it is damaged: its pieces have another rank");
  std::string out(count * entry, '\0');
  if (!Chunks(file, name, set, shape, entry, std::move(chunk), *done).copy(out)) return std::nullopt;
  return out;
}

}  // namespace stoat::hdf5

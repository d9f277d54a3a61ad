// HDF5 files by way of its C interface: handles that close themselves, and errors that name file and object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>

namespace stoat::hdf5 {

/// While it lives, no other thread is in the library, and HDF5 does not print its errors.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* print_data_ = nullptr;
};

/// An identifier of HDF5, closed at the end.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_), std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  herr_t (*close_)(hid_t) = nullptr;
};

using Shape = std::vector<hsize_t>;
/// "3 x 4"; of a scalar "scalar".
std::string text_of(const Shape& shape);

/// A file that is read. All its functions throw Error: "<what> <path>: <object>: <what is wrong>". Those who call them hold a
/// Session.
class Reader {
 public:
  /// `what` the file is meant to be: "spike file".
  Reader(std::string what, std::filesystem::path path);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[noreturn]] void fail(const std::string& object, const std::string& why) const;
  /// The same with the reason that HDF5 gives.
  [[noreturn]] void fail(const std::string& object) const;
  const std::filesystem::path& path() const { return path_; }
  /// Bytes of the file.
  std::uintmax_t bytes() const { return bytes_; }
  std::ifstream& stream() const { return stream_; }
  /// Bytes in front of what is HDF5.
  hsize_t user_block() const { return user_block_; }
  /// Bytes of an address and of a size in the file, at most eight each.
  std::size_t address_bytes() const { return address_bytes_; }
  std::size_t size_bytes() const { return size_bytes_; }

  bool has(const std::string& object) const;
  void require_group(const std::string& name) const { group(name); }
  /// Names of what is in a group, sorted.
  std::vector<std::string> children(const std::string& name) const;
  Handle dataset(const std::string& name) const;
  Shape shape(const std::string& name) const;

  /// All numbers of a dataset, the last index fastest. No more are read than the file can hold.
  std::vector<double> numbers(const std::string& name) const;
  std::vector<std::int64_t> integers(const std::string& name) const;
  /// The numbers of a dataset that must have this shape; written to `out`.
  void numbers(const std::string& name, const Shape& expected, double* out) const;
  double number(const std::string& name) const;
  std::int64_t integer(const std::string& name) const;
  bool is_text(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;

 private:
  /// An object that is there. Nothing else opens one.
  Handle open(const std::string& object) const;
  Handle group(const std::string& name) const;
  /// The dataset, its shape and its type, which must be of this class (or of another).
  struct Opened {
    Handle set, type;
    Shape shape;
    std::size_t count = 1;
  };
  Opened open(const std::string& name, const char* kind, H5T_class_t type, H5T_class_t or_type) const;
  template <class T>
  std::vector<T> all(const std::string& name, hid_t memory, const char* kind, H5T_class_t type, H5T_class_t or_type) const;
  Shape shape(const std::string& name, hid_t set) const;

  std::string what_;
  std::filesystem::path path_;
  std::uintmax_t bytes_ = 0;
  hsize_t user_block_ = 0;
  std::size_t address_bytes_ = 8, size_bytes_ = 8;
  mutable std::ifstream stream_;
  Handle file_;
};

/// A file that is written: beside its place first, and in it, in one step, by commit(). Throws Error, naming the file.
class Writer {
 public:
  explicit Writer(std::filesystem::path path);
  /// Without commit() nothing is left. A second writer of the same file is refused.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  hid_t file() const { return file_; }
  /// `id` itself; throws if it is invalid.
  Handle checked(hid_t id, herr_t (*close)(hid_t), const std::string& object) const;
  void check(herr_t status, const std::string& object) const;
  void group(const std::string& name);
  void numbers(const std::string& name, const Shape& shape, const double* values, bool compressed = false);
  void integers(const std::string& name, const Shape& shape, std::span<const std::int64_t> values);
  void number(const std::string& name, double value) { numbers(name, {}, &value); }
  void integer(const std::string& name, std::int64_t value) { integers(name, {}, std::span(&value, 1)); }
  /// Text of variable length in UTF-8.
  void text(const std::string& name, const std::string& value) { texts(name, {}, std::span(&value, 1)); }
  void texts(const std::string& name, const Shape& shape, std::span<const std::string> values);
  void commit();

 private:
  void write(const std::string& name, const Shape& shape, hid_t type, hid_t memory, const void* values, bool compressed);

  std::filesystem::path path_;
  std::optional<report::Replacement> replacement_;  ///< until commit()
  Handle file_;
};

}  // namespace stoat::hdf5

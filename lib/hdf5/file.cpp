#include "file.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "entries.hpp"
#include "object_header.hpp"
#include "variable_length.hpp"

namespace stoat::hdf5 {
namespace {

namespace fs = std::filesystem;

std::recursive_mutex& library() {
  static std::recursive_mutex mutex;
  return mutex;
}

/// The innermost error on HDF5's stack, which says most; then the stack is empty.
std::string reason() {
  std::string text;
  const auto first = [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
    if (n == 0 && error->desc) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "HDF5 gives no reason" : "HDF5 says: " + text;
}

#if H5_VERSION_GE(1, 12, 0)
using Info = H5O_info1_t;
#else
using Info = H5O_info_t;
#endif

/// No compression of HDF5's own makes a number smaller than by this factor.
constexpr std::uintmax_t largest_ratio = 1100;

}  // namespace

Session::Session() : lock_(library()) {
  H5Eget_auto2(H5E_DEFAULT, &print_, &print_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}
Session::~Session() {
  H5Eclear2(H5E_DEFAULT);
  H5Eset_auto2(H5E_DEFAULT, print_, print_data_);
}

std::string text_of(const Shape& shape) {
  std::string text;
  for (const hsize_t n : shape) text += (text.empty() ? "" : " x ") + std::to_string(n);
  return text.empty() ? "scalar" : text;
}

Reader::Reader(std::string what, fs::path path) : what_(std::move(what)), path_(std::move(path)) {
  const Session session;
  std::error_code error;
  if (fs::is_directory(path_, error)) fail("", "it is a directory");
  bytes_ = fs::file_size(path_, error);
  if (error) fail("", error.message());
  stream_.open(path_, std::ios::binary);
  if (!stream_) fail("", "it cannot be opened");
  const htri_t is_hdf5 = H5Fis_hdf5(path_.c_str());
  if (is_hdf5 == 0) fail("", bytes_ == 0 ? "it is empty" : "it is no HDF5 file");
  file_ = Handle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (file_ < 0) fail("");
  const Handle creation(H5Fget_create_plist(file_), H5Pclose);
  if (creation < 0 || H5Pget_userblock(creation, &user_block_) < 0 || H5Pget_sizes(creation, &address_bytes_, &size_bytes_) < 0)
    fail("");
  if (address_bytes_ > 8 || size_bytes_ > 8)
    fail("", "its addresses of " + std::to_string(address_bytes_) + " and sizes of " + std::to_string(size_bytes_) +
                 " bytes are not read here");
}

Reader::~Reader() {
  const Session session;
  file_ = Handle();
}

void Reader::fail(const std::string& object, const std::string& why) const {
  throw Error(what_ + " " + path_.string() + ": " + (object.empty() ? "" : object + ": ") + why);
}
void Reader::fail(const std::string& object) const { fail(object, "it is damaged (" + reason() + ")"); }

bool Reader::has(const std::string& object) const {
  // Each part of the path has to exist before the next one is asked for.
  for (std::size_t end = 0; end != std::string::npos;) {
    end = object.find('/', end + 1);
    if (H5Lexists(file_, object.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Oexists_by_name(file_, object.c_str(), H5P_DEFAULT) > 0;
}

Handle Reader::open(const std::string& object) const {
  Info info{}, root{};
  if (H5Oget_info_by_name2(file_, object.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0 ||
      H5Oget_info_by_name2(file_, "/", &root, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
    fail(object);
  if (info.fileno != root.fileno) fail(object, "it is in another file");
  check_header(*this, info.addr, object);
  Handle opened(H5Oopen(file_, object.c_str(), H5P_DEFAULT), H5Oclose);
  if (opened < 0) fail(object);
  return opened;
}

Handle Reader::group(const std::string& name) const {
  if (!has(name)) fail(name, "the group is missing");
  Handle object = open(name);
  if (H5Iget_type(object) != H5I_GROUP) fail(name, "it is no group");
  return object;
}

std::vector<std::string> Reader::children(const std::string& name) const {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* child, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(child);
    return 0;
  };
  if (H5Literate(group(name), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names) < 0) fail(name);
  return names;
}

Handle Reader::dataset(const std::string& name) const {
  if (!has(name)) fail(name, "the dataset is missing");
  Handle object = open(name);
  if (H5Iget_type(object) != H5I_DATASET) fail(name, "it is no dataset");
  return object;
}

Shape Reader::shape(const std::string& name, hid_t set) const {
  const Handle space(H5Dget_space(set), H5Sclose);
  const int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  if (rank < 0) fail(name);
  Shape shape(static_cast<std::size_t>(rank));
  if (H5Sget_simple_extent_type(space) == H5S_NULL) fail(name, "it is empty");
  if (H5Sget_simple_extent_dims(space, shape.data(), nullptr) < 0) fail(name);
  return shape;
}
Shape Reader::shape(const std::string& name) const { return shape(name, dataset(name)); }

Reader::Opened Reader::open(const std::string& name, const char* kind, H5T_class_t type, H5T_class_t or_type) const {
  Opened opened{dataset(name), {}, {}};
  opened.type = Handle(H5Dget_type(opened.set), H5Tclose);
  if (opened.type < 0) fail(name);
  const H5T_class_t found = H5Tget_class(opened.type);
  if (found != type && found != or_type) fail(name, std::string("it does not hold ") + kind);
  opened.shape = shape(name, opened.set);
  const std::uintmax_t limit = bytes_ * largest_ratio;
  for (const hsize_t n : opened.shape) {
    if (n != 0 && opened.count > limit / n)
      fail(name, text_of(opened.shape) + " entries are more than a file of " + std::to_string(bytes_) + " bytes can hold");
    opened.count *= static_cast<std::size_t>(n);
  }
  const std::uintmax_t stored = H5Dget_storage_size(opened.set);
  if (opened.count > stored * largest_ratio)
    fail(name, text_of(opened.shape) + " entries were announced, and " + std::to_string(stored) + " bytes are there");
  return opened;
}

template <class T>
std::vector<T> Reader::all(const std::string& name, hid_t memory, const char* kind, H5T_class_t type, H5T_class_t or_type) const {
  const Opened opened = open(name, kind, type, or_type);
  std::vector<T> values(opened.count);
  const std::size_t entry = H5Tget_size(opened.type);
  if (std::optional<std::string> bytes = entries(*this, name, opened.set, opened.shape, entry)) {
    bytes->resize(opened.count * std::max(entry, sizeof(T)));  // converted in place
    if (H5Tconvert(opened.type, memory, opened.count, bytes->data(), nullptr, H5P_DEFAULT) < 0) fail(name);
    std::memcpy(values.data(), bytes->data(), opened.count * sizeof(T));
  } else if (opened.count > 0 && H5Dread(opened.set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    fail(name);
  }
  return values;
}

std::vector<double> Reader::numbers(const std::string& name) const {
  return all<double>(name, H5T_NATIVE_DOUBLE, "numbers", H5T_FLOAT, H5T_INTEGER);
}
std::vector<std::int64_t> Reader::integers(const std::string& name) const {
  return all<std::int64_t>(name, H5T_NATIVE_INT64, "integers", H5T_INTEGER, H5T_INTEGER);
}
void Reader::numbers(const std::string& name, const Shape& expected, double* out) const {
  if (const Shape found = shape(name); found != expected)
    fail(name, "its shape is " + text_of(found) + ", not " + text_of(expected));
  const std::vector<double> values = numbers(name);
  std::copy(values.begin(), values.end(), out);
}
double Reader::number(const std::string& name) const {
  const std::vector<double> values = numbers(name);
  if (values.size() != 1) fail(name, "it has " + std::to_string(values.size()) + " entries, not one");
  return values[0];
}
std::int64_t Reader::integer(const std::string& name) const {
  const std::vector<std::int64_t> values = integers(name);
  if (values.size() != 1) fail(name, "it has " + std::to_string(values.size()) + " entries, not one");
  return values[0];
}

bool Reader::is_text(const std::string& name) const {
  const Handle set = dataset(name), type(H5Dget_type(set), H5Tclose);
  if (type < 0) fail(name);
  return H5Tget_class(type) == H5T_STRING;
}
std::string Reader::text(const std::string& name) const {
  const std::vector<std::string> values = texts(name);
  if (values.size() != 1) fail(name, "it has " + std::to_string(values.size()) + " entries, not one");
  return values[0];
}
std::vector<std::string> Reader::texts(const std::string& name) const {
  const Opened opened = open(name, "text", H5T_STRING, H5T_STRING);
  std::vector<std::string> values;
  if (opened.count == 0) return values;
  if (H5Tis_variable_str(opened.type) > 0) {
    VariableLength entries(*this, name, opened.set, opened.shape);
    for (std::size_t i = 0; i < opened.count; ++i) {
      const std::string value = entries.bytes(i, 1, name);
      values.push_back(value.substr(0, value.find('\0')));
    }
    return values;
  }
  const std::size_t length = H5Tget_size(opened.type);
  if (length == 0 || length > bytes_) fail(name, "its texts are longer than the file");
  if (opened.count > bytes_ * largest_ratio / length) fail(name, "its texts are more than the file can hold");
  const std::optional<std::string> bytes = entries(*this, name, opened.set, opened.shape, length);
  std::string all = bytes ? *bytes : std::string(opened.count * length, '\0');
  if (!bytes && H5Dread(opened.set, opened.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, all.data()) < 0) fail(name);
  for (std::size_t i = 0; i < opened.count; ++i) {
    const std::string padded = all.substr(i * length, length);
    values.push_back(padded.substr(0, padded.find('\0')));
  }
  return values;
}

Writer::Writer(fs::path path) : path_(std::move(path)) {
  const Session session;
  std::error_code error;
  if (const fs::path folder = path_.parent_path(); !folder.empty() && !fs::is_directory(folder, error))
    throw Error("cannot write " + path_.string() + ": its folder does not exist");
  replacement_.emplace(path_, false);
  // The file is locked already, and HDF5 would wait for whoever has done so.
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  check(access < 0 ? -1 : H5Pset_file_locking(access, false, true), "the file");
  file_ = Handle(H5Fcreate(replacement_->path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose);
  check(file_ < 0 ? -1 : 0, "the file");
}
Writer::~Writer() {
  const Session session;
  file_ = Handle();
}

Handle Writer::checked(hid_t id, herr_t (*close)(hid_t), const std::string& object) const {
  check(id < 0 ? -1 : 0, object);
  return Handle(id, close);
}
void Writer::check(herr_t status, const std::string& object) const {
  if (status < 0) throw Error("cannot write " + path_.string() + ": " + object + ": " + reason());
}

void Writer::group(const std::string& name) {
  checked(H5Gcreate2(file_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose, name);
}

void Writer::write(const std::string& name, const Shape& shape, hid_t type, hid_t memory, const void* values, bool compressed) {
  const hid_t id = shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const Handle space = checked(id, H5Sclose, name);
  const Handle options = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, name);
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (compressed && !shape.empty() && !empty) {
    // A chunk is at most 2^17 numbers: 1 MiB.
    Shape chunk = shape;
    hsize_t count = 1;
    for (const hsize_t n : chunk) count *= n;
    for (std::size_t k = 0; k < chunk.size() && count > (1 << 17); ++k) {
      count /= chunk[k];
      chunk[k] = std::max<hsize_t>(1, (1 << 17) / count);
      count *= chunk[k];
    }
    check(H5Pset_chunk(options, static_cast<int>(chunk.size()), chunk.data()), name);
    check(H5Pset_deflate(options, 4), name);
  }
  const Handle set = checked(H5Dcreate2(file_, name.c_str(), type, space, H5P_DEFAULT, options, H5P_DEFAULT), H5Dclose, name);
  if (!empty) check(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), name);
}

void Writer::numbers(const std::string& name, const Shape& shape, const double* values, bool compressed) {
  write(name, shape, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values, compressed);
}
void Writer::integers(const std::string& name, const Shape& shape, std::span<const std::int64_t> values) {
  write(name, shape, H5T_STD_I64LE, H5T_NATIVE_INT64, values.data(), false);
}
void Writer::texts(const std::string& name, const Shape& shape, std::span<const std::string> values) {
  const Handle type = checked(H5Tcopy(H5T_C_S1), H5Tclose, name);
  check(H5Tset_size(type, H5T_VARIABLE), name);
  check(H5Tset_cset(type, H5T_CSET_UTF8), name);
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  write(name, shape, type, type, pointers.data(), false);
}

void Writer::commit() {
  const Session session;
  check(H5Fflush(file_, H5F_SCOPE_GLOBAL), "the file");
  file_ = Handle();
  replacement_->commit();
  replacement_.reset();
}

}  // namespace stoat::hdf5

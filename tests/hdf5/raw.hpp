// HDF5 by hand, for files that the library does not write; and h5py, for what it does.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <hdf5.h>

#include <doctest/doctest.h>

/// A file that is written with the C interface of HDF5.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path) : id(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {
    REQUIRE(id >= 0);
  }
  ~RawFile() { H5Fclose(id); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  void group(const char* name) const { H5Gclose(H5Gcreate2(id, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); }
  void write(const char* name, const std::vector<hsize_t>& shape, hid_t type, hid_t memory, const void* values) const {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t set = H5Dcreate2(id, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(set >= 0);
    if (values) REQUIRE(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set), H5Sclose(space);
  }
  /// Rows of variable length, stored as numbers of this type.
  template <class T>
  void lists(const char* name, std::vector<std::vector<T>> rows, hid_t type, hid_t native) const {
    std::vector<hvl_t> lists;
    for (auto& row : rows) lists.push_back({row.size(), row.data()});
    const hid_t stored = H5Tvlen_create(type), memory = H5Tvlen_create(native);
    write(name, {rows.size()}, stored, memory, lists.data());
    H5Tclose(stored), H5Tclose(memory);
  }
  void times(const std::vector<std::vector<double>>& rows, hid_t type = H5T_IEEE_F32LE) const {
    lists("spikes/times", rows, type, H5T_NATIVE_DOUBLE);
  }
  void units(const std::vector<std::vector<int>>& rows, hid_t type = H5T_STD_U16LE) const {
    lists("spikes/units", rows, type, H5T_NATIVE_INT);
  }
  void labels(const std::vector<int>& values) const {
    write("labels", {values.size()}, H5T_STD_U16LE, H5T_NATIVE_INT, values.data());
  }

  hid_t id;
};

inline bool has_h5py() {
  static const bool there = std::system(STOAT_PYTHON " -c 'import h5py' >/dev/null 2>&1") == 0;
  return there;
}

/// What a Python script prints, with `path` as its sys.argv[1]. It must succeed.
inline std::string python(const std::string& script, const std::filesystem::path& path) {
  std::filesystem::path file = path;
  file += ".py";
  if (std::FILE* out = std::fopen(file.c_str(), "w")) {
    std::fputs(("import sys, h5py, numpy as np\nf = h5py.File(sys.argv[1], sys.argv[2])\n" + script).c_str(), out);
    std::fclose(out);
  }
  const std::string mode = std::filesystem::exists(path) ? " r" : " w";
  std::FILE* pipe = ::popen((STOAT_PYTHON " '" + file.string() + "' '" + path.string() + "'" + mode + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 512> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  INFO(output);
  REQUIRE(status == 0);
  return output;
}

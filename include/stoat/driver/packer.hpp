// stoat/driver/packer.hpp: values as bytes, for other ranks and for checkpoints.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/ranks.hpp>
#include <stoat/error.hpp>

namespace stoat::detail {

/// Fields as bytes, for another process on the same kind of machine. A type with fields of its own has
/// `template <class A> void fields(A& archive) { archive(a, b, c); }`.
class Packer {
 public:
  template <class... Ts>
  void operator()(Ts&... fields) {
    (add(fields), ...);
  }
  Ranks::Bytes bytes;

 private:
  void raw(const void* from, std::size_t count) {
    const auto* first = static_cast<const std::uint8_t*>(from);
    bytes.insert(bytes.end(), first, first + count);
  }
  template <class T>
  void add(T& x) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) raw(&x, sizeof x);
    else x.fields(*this);
  }
  template <class T>
  void add(std::vector<T>& xs) {
    const std::uint64_t size = xs.size();
    raw(&size, sizeof size);
    for (T& x : xs) add(x);
  }
  void add(std::string& text) {
    const std::uint64_t size = text.size();
    raw(&size, sizeof size);
    raw(text.data(), text.size());
  }
  template <class T, int Rows, int Cols>
  void add(Eigen::Matrix<T, Rows, Cols>& m) {
    const std::int64_t size[] = {m.rows(), m.cols()};
    raw(size, sizeof size);
    raw(m.data(), static_cast<std::size_t>(m.size()) * sizeof(T));
  }
};

/// The inverse. Throws Error where bytes are missing.
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  template <class... Ts>
  void operator()(Ts&... fields) {
    (take(fields), ...);
  }

 private:
  void raw(void* to, std::size_t count) {
    if (count > rest_.size())
      throw Error("a message ends early: " + std::to_string(rest_.size()) + " bytes instead of " + std::to_string(count));
    if (count > 0) std::memcpy(to, rest_.data(), count);
    rest_ = rest_.subspan(count);
  }
  template <class T>
  void take(T& x) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) raw(&x, sizeof x);
    else x.fields(*this);
  }
  template <class T>
  void take(std::vector<T>& xs) {
    std::uint64_t size = 0;
    raw(&size, sizeof size);
    xs.clear();
    for (; size > 0; --size) take(xs.emplace_back());
  }
  void take(std::string& text) {
    std::uint64_t size = 0;
    raw(&size, sizeof size);
    text.resize(std::min<std::uint64_t>(size, rest_.size()));
    raw(text.data(), size);
  }
  template <class T, int Rows, int Cols>
  void take(Eigen::Matrix<T, Rows, Cols>& m) {
    std::int64_t size[2];
    raw(size, sizeof size);
    if (size[0] < 0 || size[1] < 0) throw Error("a message is damaged");
    m.resize(size[0], size[1]);
    raw(m.data(), static_cast<std::size_t>(m.size()) * sizeof(T));
  }
  std::span<const std::uint8_t> rest_;
};

}  // namespace stoat::detail

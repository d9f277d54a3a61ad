// stoat/tape/memory.hpp: memory of a tape. Streams grow without being copied; the arena hands out payloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <stoat/error.hpp>

namespace stoat {

namespace detail {

/// Bytes that this process can still use: free memory and swap of the machine and of its control group, as far as the
/// system tells; otherwise a very large number.
std::size_t available_memory() noexcept;

/// "1.5 GiB"
std::string readable_bytes(std::size_t bytes);

/// A stretch of zeroed memory that grows in place, or by moving page tables instead of bytes. Touched memory alone is real.
class Memory {
 public:
  Memory();
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* data() const { return base_ ? static_cast<std::byte*>(base_) + offset_ : nullptr; }
  std::size_t bytes() const { return bytes_; }
  /// Makes room for so many bytes. False if the system refuses; the contents are then as they were.
  bool grow(std::size_t bytes) noexcept;

 private:
  void* base_ = nullptr;
  std::size_t offset_ = 0, bytes_ = 0;
};

/// Memory as an array of U.
template <class U>
class Stream {
  static_assert(std::is_trivially_copyable_v<U>);

 public:
  U* data() const { return static_cast<U*>(memory_.data()); }
  std::size_t capacity() const { return memory_.bytes() / sizeof(U); }
  std::size_t bytes() const { return memory_.bytes(); }
  static constexpr std::size_t element_bytes() { return sizeof(U); }
  bool grow(std::size_t count) noexcept { return count <= capacity() || memory_.grow(count * sizeof(U)); }

 private:
  Memory memory_;
};

}  // namespace detail

/// Payload memory of a tape: allocation is a pointer bump, release is a rewind. Nothing in it is destroyed.
class Arena {
 public:
  /// A place to rewind to.
  struct Mark {
    std::size_t chunk = 0, used = 0;  ///< piece of memory, and bytes used in it
  };
  /// Room for `count` objects. Throws Error if there is no memory left.
  template <class U>
  U* allocate(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<U> && alignof(U) <= alignment);
    return static_cast<U*>(bytes(count * sizeof(U)));
  }
  Mark mark() const { return {chunk_, used_}; }
  void rewind(const Mark& mark) { chunk_ = mark.chunk, used_ = mark.used; }
  /// Bytes handed out.
  std::size_t used() const;
  /// Bytes held.
  std::size_t capacity() const { return capacity_; }
  /// Holding more than so many bytes is an Error.
  void limit(std::size_t bytes) { limit_ = bytes; }

 private:
  static constexpr std::size_t alignment = 64;  // a cache line, and the widest vector register
  void* bytes(std::size_t n) {
    n = (n + 15) / 16 * 16;
    // Small payloads are packed; what is worth a vector loop starts on a line.
    if (n >= 2 * alignment) used_ = (used_ + alignment - 1) / alignment * alignment;
    if (chunk_ >= chunks_.size() || used_ + n > chunks_[chunk_].size) next(n);
    void* p = chunks_[chunk_].data.get() + used_;
    used_ += n;
    return p;
  }
  void next(std::size_t n);

  struct Free {
    void operator()(std::byte* p) const;
  };
  struct Chunk {
    std::unique_ptr<std::byte[], Free> data;
    std::size_t size = 0;
  };
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0, used_ = 0, capacity_ = 0;
  std::size_t limit_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace stoat

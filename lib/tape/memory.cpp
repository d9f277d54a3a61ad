#include <stoat/tape/memory.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <limits>
#include <new>
#include <sstream>
#include <string>

namespace stoat {
namespace detail {

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max();

/// Streams walked in lockstep collide in the cache when their addresses share the low bits: stagger the bases.
std::size_t stagger() {
  static thread_local std::size_t count = 0;
  return (count++ % 8) * (5 * page + 11 * 64);
}

/// The first 4 KiB of a small file of the system, without touching the heap: this is asked when memory is short.
class SmallFile {
 public:
  explicit SmallFile(const char* path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    const ssize_t size = read(file, text_, sizeof(text_) - 1);
    close(file);
    text_[std::max<ssize_t>(size, 0)] = '\0';
  }
  /// The number that starts the file; `unknown` if there is none ("max" is no number either).
  std::size_t number() const { return number_at(text_); }
  /// The number behind the first mention of a name.
  std::size_t number_of(const char* name) const {
    const char* at = std::strstr(text_, name);
    return at ? number_at(at + std::strlen(name)) : unknown;
  }

 private:
  static std::size_t number_at(const char* at) {
    char* end = nullptr;
    const unsigned long long value = std::strtoull(at, &end, 10);
    return end == at ? unknown : static_cast<std::size_t>(value);
  }
  char text_[4096] = "";
};

/// What a control group still allows; its page cache can be given back, so it counts as free.
std::size_t allowed(const char* limit_file, const char* usage_file, const char* statistics_file, const char* cache) {
  const std::size_t limit = SmallFile(limit_file).number(), used = SmallFile(usage_file).number();
  if (limit == unknown || used == unknown) return unknown;
  const std::size_t reclaimable = SmallFile(statistics_file).number_of(cache);
  const std::size_t held = used - (reclaimable == unknown ? 0 : std::min(used, reclaimable));
  return limit - std::min(limit, held);
}

}  // namespace

std::size_t available_memory() noexcept {
  const SmallFile memory("/proc/meminfo");
  std::size_t machine = memory.number_of("MemAvailable:"), swap = memory.number_of("SwapFree:");
  if (machine != unknown) machine = 1024 * (machine + (swap == unknown ? 0 : swap));
  return std::min(
      {machine,
       allowed("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file "),
       allowed("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
               "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file ")});
}

std::string readable_bytes(std::size_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  int unit = 0;
  for (; amount >= 1024 && unit < 4; ++unit) amount /= 1024;
  std::ostringstream text;
  text << std::fixed << std::setprecision(unit == 0 ? 0 : 1) << amount << ' ' << units[unit];
  return text.str();
}

Memory::Memory() : offset_(stagger()) {}

Memory::~Memory() {
  if (base_) munmap(base_, bytes_ + offset_);
}

bool Memory::grow(std::size_t bytes) noexcept {
  bytes = (bytes + page - 1) / page * page;
  if (bytes <= bytes_) return true;
  void* const fresh = [&] {
#ifdef __linux__
    if (base_) return mremap(base_, bytes_ + offset_, bytes + offset_, MREMAP_MAYMOVE);
#endif
    return mmap(nullptr, bytes + offset_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }();
  if (fresh == MAP_FAILED) return false;
#ifndef __linux__
  if (base_) {
    std::memcpy(fresh, base_, bytes_ + offset_);
    munmap(base_, bytes_ + offset_);
  }
#endif
#ifdef MADV_HUGEPAGE
  // First touch is most of the cost of a long tape that is recorded once; on small ones whole huge pages would be wasted.
  if (bytes >= std::size_t{32} << 20) madvise(fresh, bytes + offset_, MADV_HUGEPAGE);
#endif
  base_ = fresh;
  bytes_ = bytes;
  return true;
}

}  // namespace detail

void Arena::Free::operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{alignment}); }

std::size_t Arena::used() const {
  std::size_t sum = used_;
  for (std::size_t i = 0; i < chunk_ && i < chunks_.size(); ++i) sum += chunks_[i].size;
  return sum;
}

void Arena::next(std::size_t n) {
  std::size_t candidate = chunks_.empty() ? 0 : chunk_ + 1;
  while (candidate < chunks_.size() && chunks_[candidate].size < n) ++candidate;
  if (candidate >= chunks_.size()) {
    // Twice the last chunk, but at most 64 MiB at a time unless one payload needs more.
    const std::size_t doubled = chunks_.empty() ? std::size_t{1} << 16 : 2 * chunks_.back().size;
    const std::size_t left = limit_ - std::min(limit_, capacity_);
    const std::size_t size = std::max(n, std::min({doubled, std::size_t{1} << 26, left}));
    const bool scarce = size >= std::size_t{1} << 24 && detail::available_memory() < size + size / 4;
    void* data = scarce || size > left ? nullptr : ::operator new[](size, std::align_val_t{alignment}, std::nothrow);
    if (!data)
      throw Error("Tape: out of memory: a payload of " + detail::readable_bytes(n) + " on top of " +
                  detail::readable_bytes(used()) + ", " + detail::readable_bytes(std::min(left, detail::available_memory())) +
                  " free");
    capacity_ += size;
    chunks_.push_back({std::unique_ptr<std::byte[], Free>(static_cast<std::byte*>(data)), size});
    candidate = chunks_.size() - 1;
  }
  chunk_ = candidate;
  used_ = 0;
}

}  // namespace stoat

#include "object_header.hpp"

#include <vector>

#include "entries.hpp"

namespace stoat::hdf5 {
namespace {

/// Numbers one after the other.
class Numbers {
 public:
  Numbers(const Reader& file, const std::string& object, std::string bytes)
      : file_(file), object_(object), bytes_(std::move(bytes)) {}
  std::size_t left() const { return bytes_.size() - at_; }
  void skip(std::size_t size) {
    if (size > left()) file_.fail(object_, "it is damaged: its header ends early");
    at_ += size;
  }
  /// Of so many bytes, at most eight.
  std::uint64_t take(std::size_t size) {
    skip(size);
    return number(bytes_, at_ - size, size);
  }
  /// The next bytes by themselves.
  Numbers part(std::size_t size) {
    skip(size);
    return {file_, object_, bytes_.substr(at_ - size, size)};
  }

 private:
  const Reader& file_;
  const std::string& object_;
  std::string bytes_;
  std::size_t at_ = 0;
};

class Header {
 public:
  Header(const Reader& file, const std::string& object) : file_(file), object_(object) {}

  void check(std::uint64_t address) {
    if (bytes(address, 4) == "OHDR") {
      const auto flags = static_cast<unsigned char>(bytes(address, 6)[5]);
      ordered_ = flags & 4;
      new_ = true;
      const std::size_t times = flags & 0x20 ? 16 : 0, limits = flags & 0x10 ? 4 : 0, size = std::size_t{1} << (flags & 3);
      const std::uint64_t begin = 6 + times + limits;
      blocks_.push_back({address + begin + size, number(bytes(address + begin, size), 0, size)});
    } else {
      const std::string head = bytes(address, 16);
      if (head[0] != 1) damaged("its header is of no known kind");
      blocks_.push_back({address + 16, number(head, 8, 4)});
    }
    std::uint64_t read = 0;
    for (std::size_t k = 0; k < blocks_.size(); ++k) {  // there may come more
      const Block block = blocks_[k];
      if ((read += block.size) > file_.bytes()) damaged("its header is longer than the file");
      messages({file_, object_, bytes(block.address, block.size)});
    }
    for (const std::uint64_t rank : ranks_of_pieces_)
      for (const std::uint64_t dataset : ranks_)
        if (rank != dataset) damaged("its pieces have another rank");
  }

 private:
  struct Block {
    std::uint64_t address, size;
  };

  [[noreturn]] void damaged(const std::string& why) const { file_.fail(object_, "it is damaged: " + why); }
  std::string bytes(std::uint64_t address, std::uint64_t size) const {
    if (address > file_.bytes()) damaged("its header lies outside of the file");
    return bytes_at(file_, file_.user_block() + address, size, object_);
  }

  void messages(Numbers block) {
    const std::size_t head = !new_ ? 8 : ordered_ ? 6 : 4;
    while (block.left() >= head) {
      const std::uint64_t type = block.take(new_ ? 1 : 2), size = block.take(2);
      const bool shared = block.take(1) & 2;
      block.skip(head - (new_ ? 4 : 5));
      message(type, shared, block.part(size));
    }
  }
  void message(std::uint64_t type, bool shared, Numbers m) {
    if (type == 1) {
      if (shared) return void(ranks_.push_back(unknown));
      m.skip(1);  // version
      ranks_.push_back(m.take(1));
    } else if (type == 8) {
      layout(m);
    } else if (type == 16) {
      const std::uint64_t address = m.take(file_.address_bytes()), size = m.take(file_.size_bytes());
      // The new kind of block begins with a signature and ends with a checksum.
      if (!new_) blocks_.push_back({address, size});
      else if (size < 8 || address > file_.bytes()) damaged("its header lies outside of the file");
      else blocks_.push_back({address + 4, size - 8});
    }
  }
  /// Versions that are not known here are left to HDF5.
  void layout(Numbers& m) {
    constexpr std::uint64_t chunked = 2;
    const std::uint64_t version = m.take(1);
    if (version == 1 || version == 2) {
      const std::uint64_t count = m.take(1);
      if (m.take(1) != chunked) return;
      m.skip(5 + file_.address_bytes());
      pieces(m, count, 4);
    } else if (version == 3) {
      if (m.take(1) != chunked) return;
      const std::uint64_t count = m.take(1);
      m.skip(file_.address_bytes());
      pieces(m, count, 4);
    } else if (version == 4) {
      if (m.take(1) != chunked) return;
      m.skip(1);
      const std::uint64_t count = m.take(1), size = m.take(1);
      if (size > 8) damaged("its pieces are too large");
      pieces(m, count, size);
    }
  }
  /// The extents of a piece in each dimension, and bytes of an entry.
  void pieces(Numbers& m, std::uint64_t count, std::size_t size) {
    std::uint64_t all = 1;
    for (std::uint64_t k = 0; k < count; ++k) {
      const std::uint64_t n = m.take(size);
      if (n == 0) damaged("its pieces have no entries");
      if (n >= (std::uint64_t{1} << 32) / all) damaged("its pieces are too large");
      all *= n;
    }
    ranks_of_pieces_.push_back(count - 1);
  }

  static constexpr std::uint64_t unknown = 1 << 16;  ///< a rank that is not in the header: none does
  const Reader& file_;
  const std::string& object_;
  bool new_ = false, ordered_ = false;  ///< the second kind of header; whether it numbers its messages
  std::vector<Block> blocks_;
  std::vector<std::uint64_t> ranks_, ranks_of_pieces_;
};

}  // namespace

void check_header(const Reader& file, std::uint64_t address, const std::string& object) { Header(file, object).check(address); }

}  // namespace stoat::hdf5

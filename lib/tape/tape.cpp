#include <stoat/tape/tape.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <limits>

namespace stoat {
namespace detail {

namespace {
constexpr std::size_t page = 4096;
// Streams walked in lockstep collide in the cache when their addresses share the low bits: stagger the bases.
std::size_t stagger() {
  static thread_local std::size_t count = 0;
  return (count++ % 8) * (5 * page + 11 * 64);
}
}  // namespace

Reserve::Reserve(std::size_t bytes) {
  const std::size_t offset = stagger();
  for (; bytes >= std::size_t{64} << 20; bytes /= 2) {
    mapped_ = bytes + offset;
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base_ != MAP_FAILED) {
      data_ = static_cast<std::byte*>(base_) + offset;
      bytes_ = bytes;
      return;
    }
  }
  throw Error("Tape: no address space left for a stream of 64 MiB (see `ulimit -v`)");
}

Reserve::~Reserve() { munmap(base_, mapped_); }

}  // namespace detail

void Arena::next(std::size_t n) {
  std::size_t candidate = chunks_.empty() ? 0 : chunk_ + 1;
  while (candidate < chunks_.size() && chunks_[candidate].size < n) ++candidate;
  if (candidate >= chunks_.size()) {
    const std::size_t size = std::max(n, chunks_.empty() ? std::size_t{1} << 16 : 2 * chunks_.back().size);
    chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
    candidate = chunks_.size() - 1;
  }
  chunk_ = candidate;
  used_ = 0;
}

namespace {
constexpr std::size_t gibi = std::size_t{1} << 30;
}

template <class T>
Tape<T>::Tape()
    : partial_memory_(4 * gibi * sizeof(T)),
      index_memory_(4 * gibi * sizeof(Index)),
      count_memory_(4 * gibi),
      adjoint_memory_(4 * gibi * sizeof(T)),
      tangent_memory_(4 * gibi * sizeof(T) * lanes),
      partials_(static_cast<T*>(partial_memory_.data())),
      indices_(static_cast<Index*>(index_memory_.data())),
      counts_(static_cast<std::uint8_t*>(count_memory_.data())),
      adjoints_(static_cast<T*>(adjoint_memory_.data())),
      tangents_(static_cast<Lanes*>(tangent_memory_.data())),
      argument_capacity_(std::min(partial_memory_.bytes() / sizeof(T), index_memory_.bytes() / sizeof(Index))),
      statement_capacity_(std::min({count_memory_.bytes(), adjoint_memory_.bytes() / sizeof(T),
                                    tangent_memory_.bytes() / sizeof(Lanes), std::size_t{std::numeric_limits<Index>::max()}}) -
                          1),
      previous_(current_),
      tag_(++tags_) {
  current_ = this;
}

template <class T>
Tape<T>::~Tape() {
  // Tapes need not die in reverse order of birth: unlink this one wherever it is in the chain.
  if (current_ == this) {
    current_ = previous_;
  } else {
    for (Tape* t = current_; t; t = t->previous_) {
      if (t->previous_ == this) {
        t->previous_ = previous_;
        break;
      }
    }
  }
}

template <class T>
void Tape<T>::full() const {
  throw Error("Tape: full after " + std::to_string(statements_) + " statements with " + std::to_string(arguments_) +
              " arguments; record shorter parts, or reduce the size of the program");
}

template <class T>
void Tape<T>::rewind(const Mark& mark) {
  next_ = mark.next;
  statements_ = mark.statements;
  arguments_ = mark.arguments;
  blocks_.resize(mark.blocks);
  arena_.rewind(mark.arena);
  comparisons_ = {};
}

template <class T>
std::size_t Tape<T>::bytes() const {
  return arguments_ * (sizeof(T) + sizeof(Index)) + statements_ + next_ * sizeof(T) + blocks_.size() * sizeof(Block);
}

template <class T>
typename Tape<T>::Arguments Tape<T>::open_statement(std::size_t count) {
  if (count > 255) throw InvalidArgument("Tape: a statement of " + std::to_string(count) + " arguments; use a block");
  if (arguments_ + count > argument_capacity_ || statements_ >= statement_capacity_) full();
  const Arguments a{next_++, arguments_, partials_ + arguments_, indices_ + arguments_};
  arguments_ += count;
  counts_[statements_++] = static_cast<std::uint8_t>(count);
  return a;
}

template <class T>
Index Tape<T>::block(Index count, const void* payload, Reverse reverse, Forward forward) {
  if (std::size_t{next_} + count > statement_capacity_) full();
  blocks_.push_back({next_, count, statements_, arguments_, payload, reverse, forward});
  next_ += count;
  return next_ - count;
}

template <class T>
Index Tape<T>::inputs(Index count) {
  return block(count, nullptr, nullptr, nullptr);
}

template <class T>
Var<T> Tape<T>::variable(T value) {
  return Var<T>(value, inputs(1), tag_);
}

template <class T>
void Tape<T>::clear_adjoints() {
  std::fill_n(adjoints_, next_, T(0));
}

template <class T>
void Tape<T>::reverse() {
  T* const adjoints = adjoints_;
  Index index = next_;
  std::size_t argument = arguments_, statement = statements_;
  const auto scalars = [&](std::size_t until) {
    const T* const partials = partials_;
    const Index* const indices = indices_;
    const std::uint8_t* const counts = counts_;
    while (statement > until) {
      const std::size_t count = counts[--statement];
      const T adjoint = adjoints[--index];
      argument -= count;
      if (adjoint == T(0)) continue;  // nothing to pass on, and 0 * infinity must not become NaN
      for (std::size_t k = argument; k < argument + count; ++k) adjoints[indices[k]] += partials[k] * adjoint;
    }
  };
  for (std::size_t b = blocks_.size(); b-- > 0;) {
    const Block& block = blocks_[b];
    scalars(block.statements);
    if (block.reverse) block.reverse(block.payload, adjoints);
    index -= block.count;
  }
  scalars(0);
}

template <class T>
void Tape<T>::clear_tangents() {
  std::memset(static_cast<void*>(tangents_), 0, sizeof(Lanes) * next_);
}

template <class T>
void Tape<T>::forward() {
  Lanes* const tangents = tangents_;
  Index index = 1;
  std::size_t argument = 0, statement = 0;
  const auto scalars = [&](std::size_t until) {
    const T* const partials = partials_;
    const Index* const indices = indices_;
    const std::uint8_t* const counts = counts_;
    for (; statement < until; ++statement, ++index) {
      const std::size_t end = argument + counts[statement];
      T sum[lanes] = {};
      for (; argument < end; ++argument) {
        const T* t = tangents[indices[argument]];
        const T p = partials[argument];
        if (t[0] == T(0) && t[1] == T(0) && t[2] == T(0) && t[3] == T(0)) continue;  // 0 * infinity must not become NaN
        for (int l = 0; l < lanes; ++l) sum[l] += p * t[l];
      }
      for (int l = 0; l < lanes; ++l) tangents[index][l] = sum[l];
    }
  };
  for (const Block& block : blocks_) {
    scalars(block.statements);
    if (block.forward) {
      block.forward(block.payload, tangents);
    } else if (block.reverse) {
      for (Index i = block.first; i < block.first + block.count; ++i)
        for (int l = 0; l < lanes; ++l) tangents[i][l] = T(1);
    }
    index += block.count;
  }
  scalars(statements_);
}

template <class T>
void Tape<T>::backward(const Var<T>& y) {
  if (y.tag() != tag_ && y.index() != 0) throw InvalidArgument("Tape: backward() from a variable of another tape");
  if (y.index() >= next_) throw InvalidArgument("Tape: backward() from a variable that was rewound");
  clear_adjoints();
  adjoints_[y.index()] = T(1);
  reverse();
  adjoints_[0] = T(0);
}

template <class T>
T Tape<T>::adjoint(const Var<T>& x) const {
  if (x.index() == 0) return T(0);
  if (x.tag() != tag_) throw InvalidArgument("Tape: adjoint() of a variable of another tape");
  if (x.index() >= next_) throw InvalidArgument("Tape: adjoint() of a variable that was rewound");
  return adjoints_[x.index()];
}

template class Tape<float>;
template class Tape<double>;

}  // namespace stoat

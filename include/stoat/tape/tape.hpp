// stoat/tape/tape.hpp: the record of a computation, and the sweeps over it.
//
// One index space: every active scalar has an index, a vector or matrix of variables owns a run of consecutive indices.
// Index 0 stands for "passive": it is the sink that adjoints of constants fall into. A *statement* y = g(x1, ..., xn)
// stores its n partial derivatives and argument indices (Jacobian taping); its own index is implied by its position.
// Operations on whole vectors are *blocks* in a side list, so the sweep over the scalar statements has no test for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/tape/scalar.hpp>

namespace stoat {

using Index = std::uint32_t;

namespace detail {

/// Address space without memory behind it until it is touched, so that a stream grows without being copied.
class Reserve {
 public:
  explicit Reserve(std::size_t bytes);  ///< throws Error if not even 64 MiB of address space is to be had
  ~Reserve();
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* base_ = nullptr;
  void* data_ = nullptr;
  std::size_t mapped_ = 0, bytes_ = 0;
};

}  // namespace detail

/// Payload memory of a tape: allocation is a pointer bump, release is a rewind. Nothing in it is destroyed.
class Arena {
 public:
  struct Mark {
    std::size_t chunk = 0, used = 0;
  };
  template <class U>
  U* allocate(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<U> && alignof(U) <= alignof(std::max_align_t));
    return static_cast<U*>(bytes(count * sizeof(U)));
  }
  Mark mark() const { return {chunk_, used_}; }
  void rewind(const Mark& mark) { chunk_ = mark.chunk, used_ = mark.used; }

 private:
  void* bytes(std::size_t n) {
    n = (n + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    if (chunk_ >= chunks_.size() || used_ + n > chunks_[chunk_].size) next(n);
    void* p = chunks_[chunk_].data.get() + used_;
    used_ += n;
    return p;
  }
  void next(std::size_t n);

  struct Chunk {
    std::unique_ptr<std::byte[]> data;
    std::size_t size = 0;
  };
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0, used_ = 0;
};

/// A tape over numbers of type T (float or double). The newest live tape of a thread is its current tape: expressions of
/// active variables are recorded there. Not thread-safe; use one tape per thread.
template <class T>
class Tape {
 public:
  static constexpr int lanes = 4;  ///< directions carried by one tangent sweep
  using Lanes = T[lanes];

  /// A place on the tape to which it can be rewound.
  struct Mark {
    Index next = 1;
    std::size_t statements = 0, arguments = 0, blocks = 0;
    Arena::Mark arena{};
  };

  /// The adjoint of an operation on runs of indices: reads its outputs' adjoints, adds to its inputs'.
  using Reverse = void (*)(const void* payload, T* adjoints);
  /// The same in tangents (optional): reads its inputs', writes its outputs'.
  using Forward = void (*)(const void* payload, Lanes* tangents);

  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// The tape on which this thread records, or null.
  static Tape* current() { return current_; }

  /// Makes a tape current for the life of this object.
  class Use {
   public:
    explicit Use(Tape& tape) : previous_(current_) { current_ = &tape; }
    ~Use() { current_ = previous_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Tape* previous_;
  };

  /// A new independent variable.
  Var<T> variable(T value);

  /// Reverse sweep from y with seed 1; the adjoints can then be read. Throws InvalidArgument if y is not on this tape.
  void backward(const Var<T>& y);
  /// d y / d x after backward(y). Zero for a passive x.
  T adjoint(const Var<T>& x) const;

  Mark mark() const { return {next_, statements_, arguments_, blocks_.size(), arena_.mark()}; }
  /// Forgets everything recorded after the mark. Memory is kept for reuse.
  void rewind(const Mark& mark);
  void clear() { rewind(Mark{}); }

  /// Number of indices in use, the passive index 0 included.
  Index size() const { return next_; }
  std::size_t statements() const { return statements_; }
  std::size_t arguments() const { return arguments_; }
  /// Bytes of the streams in use, adjoints included.
  std::size_t bytes() const;
  std::uint32_t tag() const { return tag_; }

  /// Comparisons of active values since the last clear, and the value of `watch` at the first one: a program that
  /// branches on a parameter-dependent continuous value has jumps that no derivative of the path covers.
  struct Comparisons {
    std::size_t count = 0;
    std::size_t first = 0;
  };
  const Comparisons& comparisons() const { return comparisons_; }
  void watch(const std::size_t* place) { place_ = place; }
  void note_comparison() {
    if (comparisons_.count++ == 0 && place_) comparisons_.first = *place_;
  }

  // ---- for operations -------------------------------------------------------------------------------------------

  /// Records y = e: E has `leaves` arguments and writes partials and indices through push(multiplier, partials, indices).
  template <class E>
  Index statement(const E& e) {
    if (arguments_ + E::leaves > argument_capacity_ || statements_ >= statement_capacity_) full();
    e.push(T(1), partials_ + arguments_, indices_ + arguments_);
    arguments_ += E::leaves;
    counts_[statements_++] = static_cast<std::uint8_t>(E::leaves);
    return next_++;
  }

  /// Room for the partials and indices of a statement whose number of arguments is known at run time (at most 255).
  struct Arguments {
    Index index;
    std::size_t first;  ///< position of the first argument
    T* partials;
    Index* indices;
  };
  Arguments open_statement(std::size_t count);
  T* partials() { return partials_; }
  Index* indices() { return indices_; }

  /// Reserves `count` consecutive indices for the outputs of a block and returns the first. `payload` must live in the arena.
  Index block(Index count, const void* payload, Reverse reverse, Forward forward = nullptr);
  /// Reserves consecutive indices of independent variables.
  Index inputs(Index count);
  Arena& arena() { return arena_; }

  // ---- sweeps ---------------------------------------------------------------------------------------------------

  /// The adjoint vector, as long as size(). clear_adjoints() before seeding; reverse() propagates all seeds to the inputs.
  void clear_adjoints();
  T* adjoints() { return adjoints_; }
  const T* adjoints() const { return adjoints_; }
  void reverse();

  /// Tangents in `lanes` directions at once: clear, seed inputs, forward(). A block without a Forward gives its outputs
  /// the tangent 1 in every lane ("may move").
  void clear_tangents();
  Lanes* tangents() { return tangents_; }
  void forward();

 private:
  [[noreturn]] void full() const;

  struct Block {
    Index first, count;
    std::size_t statements, arguments;  // how many there were when the block was recorded
    const void* payload;
    Reverse reverse;  // null for inputs
    Forward forward;
  };

  static inline constinit thread_local Tape* current_ = nullptr;
  static inline constinit thread_local std::uint32_t tags_ = 0;

  detail::Reserve partial_memory_, index_memory_, count_memory_, adjoint_memory_, tangent_memory_;
  T* partials_;
  Index* indices_;
  std::uint8_t* counts_;
  T* adjoints_;
  Lanes* tangents_;
  std::size_t arguments_ = 0, statements_ = 0;
  std::size_t argument_capacity_, statement_capacity_;
  Index next_ = 1;
  std::vector<Block> blocks_;
  Arena arena_;
  Comparisons comparisons_;
  const std::size_t* place_ = nullptr;
  Tape* previous_;
  std::uint32_t tag_;
};

extern template class Tape<float>;
extern template class Tape<double>;

}  // namespace stoat

#include <stoat/tape/var.hpp>

// stoat/tape/tape.hpp: the record of a computation, and the sweeps over it.
//
// One index space: every active scalar has an index, a vector or matrix of variables owns a run of consecutive indices.
// Index 0 stands for "passive": it is the sink that adjoints of constants fall into. A *statement* y = g(x1, ..., xn)
// stores its n partial derivatives and argument indices (Jacobian taping); its own index is implied by its position.
// Operations on whole vectors are *blocks* in a side list, so the sweep over the scalar statements has no test for them.
//
// An *open* statement can still be extended: `s += e` on the newest statement appends the arguments of e to it instead of
// recording a sum. That is right as long as nothing but s refers to its index, so whatever hands an index out closes it:
// copying a variable, using it in an expression, asking for index(), a mark, another tape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/tape/dual.hpp>
#include <stoat/tape/memory.hpp>
#include <stoat/tape/scalar.hpp>

// A thread-local variable of a shared library is reached by a call unless the linker may put it into static storage. A program
// whose symbols are hidden by default must still share these with the library.
#if defined(__GNUC__) && defined(__ELF__)
#define STOAT_THREAD_LOCAL [[gnu::tls_model("initial-exec"), gnu::visibility("default")]] static inline constinit thread_local
#else
#define STOAT_THREAD_LOCAL static inline constinit thread_local
#endif

namespace stoat {

/// A place on a tape. Recording more variables than it can count is an Error, never a wrap.
using Index = std::uint32_t;

/// A partial derivative and the index of an argument, each a type of its own: a compiler then knows that storing one
/// changes no variable in memory.
template <class T>
struct Partial {
  T value;  ///< the derivative
};
/// What a partial is the derivative by: a variable's index.
struct Argument {
  Index index;
};

/// A tape over numbers of type T (float, double or a Dual of them). The newest live tape of a thread is its current tape:
/// expressions of active variables are recorded there. Not thread-safe; use one tape per thread.
template <class T>
class Tape {
 public:
  static constexpr int lanes = 4;  ///< directions carried by one tangent sweep
  using Lanes = T[lanes];

  /// A place on the tape to which it can be rewound.
  struct Mark {
    Index next = 1;                                   ///< the next variable
    std::size_t arguments = 0, blocks = 0, kept = 0;  ///< lengths of the lists of partials, block operations and kept values
    Arena::Mark arena{};                              ///< of the payloads
  };

  /// The adjoint of an operation on runs of indices: reads its outputs' adjoints, adds to its inputs'.
  using Reverse = void (*)(const void* payload, T* adjoints);
  /// The same in tangents (optional): reads its inputs', writes its outputs'.
  using Forward = void (*)(const void* payload, Lanes* tangents);

  /// A new tape, current from now on.
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// The tape on which this thread records, or null.
  static Tape* current() { return current_; }

  /// Makes a tape current for the life of this object.
  class Use {
   public:
    explicit Use(Tape& tape) : previous_(current_) { switch_to(&tape); }
    ~Use() { switch_to(previous_); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Tape* previous_;
  };

  /// An empty tape of this thread, current for the life of this object. Its memory is used again by the next one, so that
  /// small functions can be differentiated many times; lots of memory are given back.
  class Scratch {
   public:
    Scratch();
    /// A new one with a limit on its memory.
    explicit Scratch(std::size_t limit);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    Tape& operator*() const { return *tape_; }
    Tape* operator->() const { return tape_.get(); }

   private:
    std::unique_ptr<Tape> tape_;
    Tape* previous_;
    bool reusable_ = true;
  };

  /// A new independent variable.
  Var<T> variable(T value);

  /// Reverse sweep from y with seed 1; the adjoints can then be read. Throws InvalidArgument if y is not on this tape.
  void backward(const Var<T>& y);
  /// d y / d x after backward(y). Zero for a passive x. Throws InvalidArgument if x was not on this tape then.
  T adjoint(const Var<T>& x) const;

  Mark mark() {
    open_ = 0;
    return {next_, arguments_, blocks_.size(), kept_.size(), arena_.mark()};
  }
  /// Forgets everything recorded after the mark. Memory is kept for reuse.
  void rewind(const Mark& mark);
  void clear() {
    rewind(Mark{});
    comparisons_ = {};
  }

  /// Number of indices in use, the passive index 0 included.
  Index size() const { return next_; }
  std::size_t arguments() const { return arguments_; }
  /// Bytes in use, payloads and one vector of adjoints included.
  std::size_t bytes() const;
  /// Growing beyond so many bytes, adjoints included, is an Error. Default: what the machine has.
  void limit_memory(std::size_t bytes);

  /// Comparisons of active values since the last clear, and the value of `watch` at the first one: a program that
  /// branches on a parameter-dependent continuous value has jumps that no derivative of the path covers.
  struct Comparisons {
    std::size_t count = 0;  ///< how many
    std::size_t first = 0;  ///< value of `watch` at the first one
  };
  const Comparisons& comparisons() const { return comparisons_; }
  void watch(const std::size_t* place) { place_ = place; }
  void note_comparison() {
    if (comparisons_.count++ == 0 && place_) comparisons_.first = *place_;
  }

  // ---- for variables ----------------------------------------------------------------------------------------------

  /// The tag of variables recorded now. Every tape and every stretch recorded again after a rewind has its own.
  std::uint32_t tag() const { return tag_; }
  /// The tag of the variable that has this index now, the present one for index 0.
  std::uint32_t tag(Index index) const {
    if (index == 0) return tag_;
    auto stretch = stretches_.rbegin();
    while (stretch->first > index) ++stretch;
    return stretch->tag;
  }
  /// True if a variable of this index and tag lives on this tape: not on another, not rewound since.
  bool owns(Index index, std::uint32_t tag) const;

  /// Records y = e: E has `leaves` arguments and writes partials and arguments through push(multiplier, ...).
  template <class E>
  [[gnu::always_inline]] Index statement(const E& e) {
    if (arguments_ + E::leaves > limit_) [[unlikely]]
      if (!grow(E::leaves, 1)) fail();
    e.push(T(1), partials_ + arguments_, indices_ + arguments_);
    arguments_ += E::leaves;
    counts_[next_] = Count(E::leaves);
    return next_++;
  }
  /// Extends statement `index` by + sign * e if it is open; false if it is not.
  template <class E>
  [[gnu::always_inline]] bool append(Index index, T sign, const E& e) {
    if (index != open_ || index + 1 != next_) return false;
    if (counts_[index] + E::leaves > 255 || arguments_ + E::leaves > limit_) [[unlikely]]
      return false;
    e.push(sign, partials_ + arguments_, indices_ + arguments_);
    arguments_ += E::leaves;
    counts_[index] = Count(counts_[index] + E::leaves);
    return true;
  }
  /// Declares that one variable alone refers to this newest statement.
  static void open(Index index) { open_ = index; }
  /// Closes statement `index` if it is open.
  static void close(Index index) {
    if (index == open_) open_ = 0;
  }

  // ---- for operations -------------------------------------------------------------------------------------------

  /// Room for the partials and arguments of a statement whose number of arguments is known at run time (at most 255).
  struct Arguments {
    Index index;           ///< of the statement
    std::size_t first;     ///< position of the first argument
    Partial<T>* partials;  ///< to be filled
    Argument* indices;     ///< to be filled
  };
  Arguments open_statement(std::size_t count);
  Partial<T>* partials() { return partials_; }
  const Partial<T>* partials() const { return partials_; }
  Argument* indices() { return indices_; }

  /// Reserves `count` consecutive indices for the outputs of a block and returns the first. `payload` must live in the arena.
  Index block(std::size_t count, const void* payload, Reverse reverse, Forward forward = nullptr);
  /// Reserves consecutive indices of independent variables.
  Index inputs(std::size_t count) { return block(count, nullptr, nullptr, nullptr); }
  Arena& arena() { return arena_; }
  /// Keeps an object alive until what is recorded now is rewound.
  void keep(std::shared_ptr<const void> object) { kept_.push_back(std::move(object)); }

  // ---- sweeps ---------------------------------------------------------------------------------------------------

  /// The adjoint vector, as long as size(). clear_adjoints() before seeding; reverse() propagates all seeds to the inputs.
  void clear_adjoints();
  /// The same for what was recorded after the mark: what earlier sweeps left in the adjoints before it stays, so that the gradients
  /// of several recordings on the same inputs add up.
  void clear_adjoints(const Mark& from);
  T* adjoints() { return adjoints_; }
  const T* adjoints() const { return adjoints_; }
  void reverse() { reverse(Mark{}); }
  /// The same, down to the mark: what was recorded before it has its adjoints and does not pass them on.
  void reverse(const Mark& until);

  /// Tangents in `lanes` directions at once: clear, seed inputs, forward(). A block without a Forward gives its outputs
  /// the tangent 1 in every lane ("may move").
  void clear_tangents() { clear_tangents(Mark{.next = 0}); }
  /// The same for what was recorded after the mark.
  void clear_tangents(const Mark& from);
  Lanes* tangents() { return tangents_; }
  const Lanes* tangents() const { return tangents_; }
  void forward() { forward(Mark{}); }
  /// The same from the mark on: what was recorded before it has its tangents.
  void forward(const Mark& from);

 private:
  enum Count : std::uint8_t {};  // not a character type, which could be anything's bytes

  struct Block {
    Index first, count;
    const void* payload;
    Reverse reverse;  // null for inputs
    Forward forward;
  };
  /// Indices from `first` on were recorded under `tag`.
  struct Stretch {
    Index first;
    std::uint32_t tag;
  };

  struct Idle {};
  explicit Tape(Idle) { renew_tag(); }
  static void switch_to(Tape* tape) {
    current_ = tape;
    open_ = 0;
  }
  /// Makes room, or notes in refusal_ why there is none. It does not throw itself: around a call that may, g++ keeps the
  /// values of a recording loop in memory instead of registers.
  [[gnu::cold]] bool grow(std::size_t arguments, std::size_t indices) noexcept;
  [[noreturn, gnu::cold]] void fail() const;
  /// By how many bytes to grow what holds `used` bytes and needs `needed` more, within `room`; fewer than `needed` if that
  /// cannot be.
  static std::size_t growth(std::size_t used, std::size_t needed, std::size_t room) noexcept;
  template <class Stream>
  bool grow(Stream& stream, std::size_t needed, std::size_t most, std::size_t room, const char* what) noexcept;
  /// Bytes held, and those that the adjoints of all variables will need.
  std::size_t committed_bytes() const noexcept;
  std::size_t adjoint_bytes() const noexcept;
  /// What is left of the limit on memory.
  std::size_t room() const noexcept;
  void renew_tag();

  STOAT_THREAD_LOCAL Tape* current_ = nullptr;
  STOAT_THREAD_LOCAL Index open_ = 0;

  // What every statement touches. next_ and tag_ lie apart: read together as one word right after next_ was written, they
  // would wait for the store.
  std::uint32_t tag_ = 0;
  std::size_t arguments_ = 0;
  std::size_t limit_ = 0;  ///< of arguments_; low enough that indices, of which a statement takes one, suffice too
  Partial<T>* partials_ = nullptr;
  Argument* indices_ = nullptr;
  Count* counts_ = nullptr;  ///< by index; not used for those of blocks
  Index next_ = 1;

  T* adjoints_ = nullptr;
  Lanes* tangents_ = nullptr;
  Index swept_ = 0;  ///< size() when the adjoints were cleared
  struct Refusal {
    const char* what = "";
    std::size_t needed = 0;  ///< bytes; 0 if indices ran out
  } refusal_;
  std::size_t memory_limit_ = std::numeric_limits<std::size_t>::max();
  detail::Stream<Partial<T>> partial_memory_;
  detail::Stream<Argument> index_memory_;
  detail::Stream<Count> count_memory_;
  detail::Stream<T> adjoint_memory_;
  detail::Stream<Lanes> tangent_memory_;
  std::vector<Block> blocks_;
  std::vector<Stretch> stretches_;
  std::vector<std::shared_ptr<const void>> kept_;
  Arena arena_;
  Comparisons comparisons_;
  const std::size_t* place_ = nullptr;
  Tape* previous_ = nullptr;
};

extern template class Tape<float>;
extern template class Tape<double>;
extern template class Tape<Dual<double>>;
extern template class Tape<Dual<double, 4>>;
extern template class Tape<NestedDual<2>>;
extern template class Tape<NestedDual<3>>;

}  // namespace stoat

#include <stoat/tape/var.hpp>

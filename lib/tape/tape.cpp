#include <stoat/tape/tape.hpp>

#include <algorithm>
#include <atomic>

namespace stoat {

namespace {

constexpr std::size_t mebi = std::size_t{1} << 20;
constexpr std::size_t most_indices = std::numeric_limits<Index>::max();
constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

/// Tags are dealt to threads in lots, so that rewinding touches no shared memory. After 2^32 they repeat, and a stale
/// variable may go unnoticed.
std::uint32_t new_tag() {
  constexpr std::uint32_t lot = 1024;
  static std::atomic<std::uint32_t> lots{0};
  static thread_local std::uint32_t next = 0;
  if (next % lot == 0) next = lot * lots.fetch_add(1, std::memory_order_relaxed);
  return ++next;
}

/// What a partial derivative passes on.
template <Number T>
T passed(T partial, T adjoint) {
  return partial * adjoint;
}
template <class T, int N>
Dual<T, N> passed(const Dual<T, N>& partial, const Dual<T, N>& adjoint) {
  return detail::chained(partial, adjoint);
}

}  // namespace

template <class T>
Tape<T>::Tape() : previous_(current_) {
  renew_tag();
  switch_to(this);
}

template <class T>
Tape<T>::~Tape() {
  // Tapes need not die in reverse order of birth: unlink this one wherever it is in the chain.
  if (current_ == this) {
    switch_to(previous_);
  } else {
    for (Tape* t = current_; t; t = t->previous_) {
      if (t->previous_ == this) {
        t->previous_ = previous_;
        break;
      }
    }
  }
}

namespace {
/// Tapes that wait for their next use, one list per thread.
template <class T>
std::vector<std::unique_ptr<Tape<T>>>& idle_tapes() {
  static thread_local std::vector<std::unique_ptr<Tape<T>>> tapes;
  return tapes;
}
}  // namespace

template <class T>
Tape<T>::Scratch::Scratch() : previous_(current_) {
  auto& idle = idle_tapes<T>();
  if (idle.empty()) {
    tape_.reset(new Tape(Idle{}));
  } else {
    tape_ = std::move(idle.back());
    idle.pop_back();
  }
  switch_to(tape_.get());
}

template <class T>
Tape<T>::Scratch::Scratch(std::size_t limit) : tape_(new Tape(Idle{})), previous_(current_), reusable_(false) {
  tape_->limit_memory(limit);
  switch_to(tape_.get());
}

template <class T>
Tape<T>::Scratch::~Scratch() {
  switch_to(previous_);
  if (!reusable_ || tape_->committed_bytes() > 64 * mebi) return;
  try {
    tape_->clear();
    tape_->watch(nullptr);
    idle_tapes<T>().push_back(std::move(tape_));
  } catch (...) {  // no memory: then it is simply not kept
  }
}

// ---- memory -----------------------------------------------------------------------------------------------------------

template <class T>
void Tape<T>::fail() const {
  const std::string state = std::to_string(next_ - 1) + " variables with " + std::to_string(arguments_) + " arguments (" +
                            detail::readable_bytes(bytes()) + "); record shorter parts, or checkpoint the loop";
  if (refusal_.needed == 0)
    throw Error("Tape: full: it can count " + std::to_string(most_indices - 1) + " variables, and holds " + state);
  const bool limited = memory_limit_ != unlimited;
  throw Error("Tape: out of memory: " + detail::readable_bytes(refusal_.needed) + " more for " + refusal_.what + ", " +
              detail::readable_bytes(limited ? room() : detail::available_memory()) + (limited ? " allowed" : " free") +
              ", after " + state);
}

template <class T>
std::size_t Tape<T>::adjoint_bytes() const noexcept {
  return std::max(adjoint_memory_.bytes(), next_ * sizeof(T));
}

template <class T>
std::size_t Tape<T>::committed_bytes() const noexcept {
  return partial_memory_.bytes() + index_memory_.bytes() + count_memory_.bytes() + tangent_memory_.bytes() + adjoint_bytes() +
         arena_.capacity();
}

template <class T>
std::size_t Tape<T>::room() const noexcept {
  return memory_limit_ == unlimited ? unlimited : memory_limit_ - std::min(memory_limit_, committed_bytes());
}

template <class T>
std::size_t Tape<T>::growth(std::size_t used, std::size_t needed, std::size_t room) noexcept {
  if (needed > room) return 0;
  std::size_t step = std::min(std::max({used, needed, 64 * std::size_t{1024}}), std::max(needed, room / 2));
  if (step >= 4 * mebi) {
    // Memory is only taken when it is touched, so several streams may have been promised the same: stay well below what is
    // there, and stop while the machine still has some.
    const std::size_t available = detail::available_memory();
    step = std::min(step, available / 4);
    if (step < 4 * mebi) step = 0;
  }
  return step;
}

/// Grows a stream to at least `needed` elements, at most to `most`.
template <class T>
template <class Stream>
bool Tape<T>::grow(Stream& stream, std::size_t needed, std::size_t most, std::size_t room, const char* what) noexcept {
  const std::size_t have = stream.capacity();
  if (needed <= have) return true;
  const std::size_t size = stream.element_bytes();
  const std::size_t step = growth(have * size, (needed - have) * size, room) / size;
  bool done = false;
  if (step >= needed - have) {
    std::size_t wanted = std::min(have + step, most);
    done = stream.grow(wanted);
    // If the system refuses, take less, but never the last of it: the program needs some to report the error.
    for (detail::Memory spare; !done && wanted > needed && spare.grow(mebi);) {
      wanted = needed + (wanted - needed) / 2;
      done = stream.grow(wanted);
    }
  }
  if (!done) refusal_ = {what, (needed - have) * size};
  return done;
}

namespace {
/// Partials and indices grow together.
template <class P, class I>
struct Both {
  P& partials;
  I& indices;
  std::size_t capacity() const { return std::min(partials.capacity(), indices.capacity()); }
  static constexpr std::size_t element_bytes() { return P::element_bytes() + I::element_bytes(); }
  bool grow(std::size_t count) { return partials.grow(count) && indices.grow(count); }
};
}  // namespace

template <class T>
bool Tape<T>::grow(std::size_t arguments, std::size_t indices) noexcept {
  if (indices > most_indices - next_) {
    refusal_ = {};
    return false;
  }
  Both<detail::Stream<Partial<T>>, detail::Stream<Argument>> both{partial_memory_, index_memory_};
  const bool enough = grow(both, arguments_ + arguments, unlimited, room(), "arguments") &&
                      grow(count_memory_, next_ + indices, most_indices, room(), "variables");
  partials_ = partial_memory_.data();
  indices_ = index_memory_.data();
  counts_ = count_memory_.data();
  limit_ = std::min(both.capacity(), arguments_ + (count_memory_.capacity() - next_));
  if (!enough || memory_limit_ == unlimited) return enough;
  // Of the limit on memory, every variable takes the room of its adjoint too.
  arena_.limit(arena_.capacity() + room());
  const std::size_t variables = room() / sizeof(T);
  limit_ = std::min(limit_, arguments_ + std::max(arguments, variables));
  if (variables < indices) refusal_ = {"adjoints", indices * sizeof(T)};
  return variables >= indices;
}

template <class T>
void Tape<T>::limit_memory(std::size_t bytes) {
  memory_limit_ = bytes;
  arena_.limit(bytes == unlimited ? unlimited : arena_.capacity() + room());
}

template <class T>
std::size_t Tape<T>::bytes() const {
  std::size_t statements = next_ - 1;
  for (const Block& block : blocks_) statements -= block.count;
  return arguments_ * (sizeof(Partial<T>) + sizeof(Argument)) + statements + next_ * sizeof(T) + blocks_.size() * sizeof(Block) +
         arena_.used();
}

// ---- recording --------------------------------------------------------------------------------------------------------

template <class T>
void Tape<T>::renew_tag() {
  tag_ = new_tag();
  stretches_.push_back({next_, tag_});
}

template <class T>
bool Tape<T>::owns(Index index, std::uint32_t tag) const {
  if (index == 0 || index >= next_) return false;
  for (auto stretch = stretches_.rbegin(); stretch != stretches_.rend(); ++stretch)
    if (stretch->first <= index) return stretch->tag == tag;
  return false;
}

template <class T>
void Tape<T>::rewind(const Mark& mark) {
  if (mark.next > next_) throw InvalidArgument("Tape: rewind() to a mark that was itself rewound");
  open_ = 0;
  const bool anything = mark.next < next_;
  next_ = mark.next;
  arguments_ = mark.arguments;
  blocks_.resize(mark.blocks);
  kept_.resize(mark.kept);
  arena_.rewind(mark.arena);
  swept_ = std::min(swept_, next_);
  if (anything) {
    while (!stretches_.empty() && stretches_.back().first >= next_) stretches_.pop_back();
    renew_tag();
  }
}

template <class T>
typename Tape<T>::Arguments Tape<T>::open_statement(std::size_t count) {
  if (count == 0 || count > 255)
    throw InvalidArgument("Tape: a statement of " + std::to_string(count) + " arguments (allowed: 1 to 255); use a block");
  if (arguments_ + count > limit_ && !grow(count, 1)) fail();
  const Arguments a{next_, arguments_, partials_ + arguments_, indices_ + arguments_};
  arguments_ += count;
  counts_[next_++] = Count(count);
  return a;
}

template <class T>
Index Tape<T>::block(std::size_t count, const void* payload, Reverse reverse, Forward forward) {
  if (count > most_indices - next_ || next_ + count > count_memory_.capacity() || memory_limit_ != unlimited)
    if (!grow(0, count)) fail();
  blocks_.push_back({next_, static_cast<Index>(count), payload, reverse, forward});
  next_ += static_cast<Index>(count);
  // A block took indices without arguments: fewer statements are left before the indices run out.
  limit_ = std::min(limit_, arguments_ + (count_memory_.capacity() - next_));
  return next_ - static_cast<Index>(count);
}

template <class T>
Var<T> Tape<T>::variable(T value) {
  return Var<T>(value, inputs(1), tag_);
}

// ---- sweeps -----------------------------------------------------------------------------------------------------------

template <class T>
void Tape<T>::clear_adjoints() {
  clear_adjoints(Mark{.next = 0});
}
template <class T>
void Tape<T>::clear_adjoints(const Mark& from) {
  if (!grow(adjoint_memory_, next_, most_indices, room() == unlimited ? unlimited : room() + adjoint_bytes(), "adjoints")) fail();
  adjoints_ = adjoint_memory_.data();
  if (from.next < next_) std::memset(static_cast<void*>(adjoints_ + from.next), 0, sizeof(T) * (next_ - from.next));
  swept_ = next_;
}

template <class T>
void Tape<T>::reverse(const Mark& until) {
  T* const adjoints = adjoints_;
  const Partial<T>* const partials = partials_;
  const Argument* const arguments = indices_;
  const Count* const counts = counts_;
  Index index = next_;
  std::size_t argument = arguments_;
  const auto statements = [&](Index end) {
    if (index == end) return;
    // The adjoint of the next statement is carried in a register if this one passes something on to it: a chain of
    // statements would otherwise wait for each store to be read back.
    T adjoint = adjoints[index - 1];
    while (index > end) {
      --index;
      const std::size_t count = counts[index];
      argument -= count;
      if (detail::is_zero(adjoint)) {  // nothing to pass on, and 0 * infinity must not become NaN
        adjoint = adjoints[index - 1];
        continue;
      }
      for (std::size_t k = argument + count - 1; k > argument; --k)
        adjoints[arguments[k].index] += passed(partials[k].value, adjoint);
      const Index first = arguments[argument].index;
      const T contribution = passed(partials[argument].value, adjoint);
      if (first == index - 1) {
        adjoint = adjoints[first] + contribution;
        adjoints[first] = adjoint;
      } else {
        adjoints[first] += contribution;
        adjoint = adjoints[index - 1];
      }
    }
  };
  for (std::size_t b = blocks_.size(); b-- > until.blocks;) {
    const Block& block = blocks_[b];
    statements(block.first + block.count);
    if (block.reverse) block.reverse(block.payload, adjoints);
    index = block.first;
  }
  statements(until.next);
}

template <class T>
void Tape<T>::clear_tangents(const Mark& from) {
  if (!grow(tangent_memory_, next_, most_indices, room(), "tangents")) fail();
  tangents_ = tangent_memory_.data();
  if (from.next < next_) std::memset(static_cast<void*>(tangents_ + from.next), 0, sizeof(Lanes) * (next_ - from.next));
}

template <class T>
void Tape<T>::forward(const Mark& from) {
  Lanes* const tangents = tangents_;
  const Partial<T>* const partials = partials_;
  const Argument* const arguments = indices_;
  const Count* const counts = counts_;
  Index index = from.next;
  std::size_t argument = from.arguments;
  const auto statements = [&](Index until) {
    for (; index < until; ++index) {
      const std::size_t end = argument + counts[index];
      T sum[lanes] = {};
      for (; argument < end; ++argument) {
        const T* t = tangents[arguments[argument].index];
        const T p = partials[argument].value;
        // 0 * infinity must not become NaN
        if (detail::is_zero(t[0]) && detail::is_zero(t[1]) && detail::is_zero(t[2]) && detail::is_zero(t[3])) continue;
        for (int l = 0; l < lanes; ++l) sum[l] += passed(p, t[l]);
      }
      for (int l = 0; l < lanes; ++l) tangents[index][l] = sum[l];
    }
  };
  for (std::size_t b = from.blocks; b < blocks_.size(); ++b) {
    const Block& block = blocks_[b];
    statements(block.first);
    if (block.forward) {
      block.forward(block.payload, tangents);
    } else if (block.reverse) {
      for (Index i = block.first; i < block.first + block.count; ++i)
        for (int l = 0; l < lanes; ++l) tangents[i][l] = T(1);
    }
    index = block.first + block.count;
  }
  statements(next_);
}

template <class T>
void Tape<T>::backward(const Var<T>& y) {
  if (y.active() && !owns(y.index(), y.tag()))
    throw InvalidArgument("Tape: backward() from a variable that is not on this tape, or was rewound");
  clear_adjoints();
  adjoints_[y.index()] = T(1);
  reverse();
  adjoints_[0] = T(0);
}

template <class T>
T Tape<T>::adjoint(const Var<T>& x) const {
  if (!x.active()) return T(0);
  if (!owns(x.index(), x.tag())) throw InvalidArgument("Tape: adjoint() of a variable that is not on this tape, or was rewound");
  if (x.index() >= swept_) throw InvalidArgument("Tape: adjoint() of a variable recorded after the sweep");
  return adjoints_[x.index()];
}

template class Tape<float>;
template class Tape<double>;
template class Tape<Dual<double>>;
template class Tape<Dual<double, 4>>;
template class Tape<NestedDual<2>>;
template class Tape<NestedDual<3>>;

}  // namespace stoat

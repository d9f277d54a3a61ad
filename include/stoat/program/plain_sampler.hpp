// stoat/program/plain_sampler.hpp: the draws of a run on plain numbers or Duals.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <stoat/program/block.hpp>
#include <stoat/program/changes.hpp>
#include <stoat/program/discrete.hpp>
#include <stoat/program/draws.hpp>
#include <stoat/program/reservoir.hpp>
#include <stoat/program/sampler_base.hpp>
#include <stoat/program/site.hpp>

namespace stoat {

/// The draws of a plain run; of one on Duals, with a reservoir of what the outcomes might have been.
template <class S>
class Sampler : public SamplerBase,
                public Draws<Sampler<S>, S>,
                public std::conditional_t<is_dual<S>, detail::Reservoir, detail::NoReservoir> {
 public:
  using SamplerBase::operator();
  using Draws<Sampler<S>, S>::operator();

  /// Draws that an operation makes inside: the next sites, with these plain laws. In a run that is no replay `kept`, if not null,
  /// gets their uniform numbers.
  template <PlainLaw P>
  void inside(std::span<const P> laws, std::span<std::int64_t> outcomes, double* kept = nullptr) {
    decide_block(
        laws.size(), [&](std::size_t i) -> const P& { return laws[i]; },
        [&](std::size_t i, std::span<const std::int64_t> k) {
          std::copy(k.begin(), k.end(), outcomes.begin() + static_cast<std::ptrdiff_t>(i));
        },
        kept);
  }

  /// Where operations offer what spares replays a rerun; null in runs that have none.
  ReplayLog<S>* replay_log() const { return replay_log_; }
  void set_replay_log(ReplayLog<S>* log) { replay_log_ = log; }

  /// Adds to the cost of the run, now: the total is what the program returns and all that was added. Estimators that know when
  /// a cost arose hold no later draw responsible for it.
  template <class E>
  void cost(const E& c) {
    add(S(c));
  }

  /// See SamplerBase::iterate.
  template <class State, class Body>
  void iterate(State& state, int steps, Body&& body) {
    if constexpr (std::floating_point<S>) {
      static_assert(LoopState<State>, "stoat: draw.iterate needs a state that can be copied and compared with ==");
      const bool outer = this->enter_loop(steps);
      StateLoop<State> loop;
      int t = outer ? enter(loop, state) : 0;
      for (; t < steps; ++t) {  // one call of the body for runs of all kinds: they must round alike
        if (outer && arrive(loop, state, static_cast<std::size_t>(t))) break;
        body(state, t);
      }
      if (outer) leave(loop, state);
    } else {
      SamplerBase::iterate(state, steps, body);
    }
  }

  void begin(const DrawPlan& plan) {
    SamplerBase::begin(plan);
    cost_ = 0;
  }
  const S& added_cost() const { return cost_; }

 private:
  friend CompoundDraws<Sampler<S>, S>;
  friend Draws<Sampler<S>, S>;

  /// Never part of another expression, which might round the sum differently in different runs.
  [[gnu::noinline]] void add(S c) {
    cost_ += c;
    this->cost_added();
    if constexpr (std::floating_point<S>)
      if (this->plan().keep) this->plan().keep->costs.push_back({static_cast<double>(c), static_cast<double>(cost_)});
  }

  // ---- loops ----------------------------------------------------------------------------------------------------

  /// The states that are kept of the present loop, and those that the run left of it.
  template <class State>
  struct StateLoop {
    detail::StatesOf<State>* kept = nullptr;
    const detail::StatesOf<State>* run = nullptr;
    std::size_t first = 0, end = 0;  ///< its boundaries in the run
    bool watched = false;            ///< the changed site is in it
    bool compared = false;           ///< and it may be left
  };
  /// Enters a loop. Returns the first iteration to make.
  template <class State>
  int enter(StateLoop<State>& loop, State& state) {
    const DrawPlan& plan = this->plan();
    if (plan.keep) loop.kept = &plan.keep->template open<State>();
    const bool past = site_ > plan.changed && !rejoined_;
    if (!plan.checkpoints || past || this->loop() >= plan.loops_skipped) return 0;
    const auto& original = this->original_loop();
    loop.run = plan.checkpoints->template states<State>(this->loop());
    if (!loop.run) this->no_such_loop("states of another type");
    loop.first = original.first, loop.end = original.end();
    const auto& marks = plan.loops->marks;
    if (rejoined_ || plan.changed >= marks[loop.end].sites) {
      state = loop.run->end();
      skip_to(loop.first, loop.end);
      return static_cast<int>(original.steps);
    }
    loop.watched = true;
    loop.compared = plan.rejoin;
    const auto begin = marks.begin() + static_cast<std::ptrdiff_t>(loop.first);
    const auto after = std::partition_point(begin, begin + static_cast<std::ptrdiff_t>(original.steps),
                                            [&](const detail::Mark& m) { return m.sites <= plan.changed; });
    const std::size_t k = plan.checkpoints->index(static_cast<std::size_t>(after - begin - 1));
    if (k == 0) return 0;
    state = (*loop.run)[k];
    const std::size_t step = plan.checkpoints->step(k);
    skip_to(loop.first, loop.first + step);
    return static_cast<int>(step);
  }
  /// The start of an iteration. True if the rest of the loop would repeat the run: the state is the final one then.
  template <class State>
  bool arrive(StateLoop<State>& loop, State& state, std::size_t step) {
    this->boundary(step);
    const DrawPlan& plan = this->plan();
    if (loop.kept && plan.keep->has(step)) [[unlikely]]
      plan.keep->keep(*loop.kept, state, false);
    if (!loop.compared || !plan.checkpoints->has(step)) return false;
    if (!(state == (*loop.run)[plan.checkpoints->index(step)]) || !this->may_rejoin(loop.first + step)) [[likely]]
      return false;
    state = loop.run->end();
    skip_to(loop.first + step, loop.end);
    return rejoined_ = true;
  }
  template <class State>
  void leave(StateLoop<State>& loop, const State& state) {
    if (loop.kept) this->plan().keep->keep(*loop.kept, state, true);
    if (loop.watched && this->plan().rejoin && !rejoined_) rejoined_ = state == loop.run->end() && this->may_rejoin(loop.end);
    this->leave_loop();
  }
  /// Goes on at a later boundary of the run, having paid what it paid on the way.
  void skip_to(std::size_t from, std::size_t to) {
    const auto& marks = this->plan().loops->marks;
    const auto& costs = this->plan().checkpoints->costs;
    const std::size_t begin = marks[from].costs, end = marks[to].costs;
    if (begin < end) {
      // The sum as it would have been rounded on the way.
      const S before = begin > 0 ? static_cast<S>(costs[begin - 1].total) : S(0);
      if (cost_ == before) cost_ = static_cast<S>(costs[end - 1].total);
      else
        for (std::size_t i = begin; i < end; ++i) cost_ += static_cast<S>(costs[i].added);
    }
    this->skip(from, to);
  }

  template <class L, class U>
  Discrete<S> draw(const L& law, U&& u) {
    const std::int64_t k = decide(detail::plain(law), u);
    if constexpr (is_dual<S>) this->offer(law, site_, k);
    visited(k);
    return Discrete<S>(k);
  }
  template <class L>
  auto block(const L& law) {
    const auto p = detail::first_parameter(law);
    constexpr int C = detail::columns_of<std::remove_cvref_t<decltype(p)>>;
    const std::size_t first = site_, n = static_cast<std::size_t>(p.size());
    const auto packed = law.map([](const auto& x) { return detail::packed(x); });
    return DiscreteBlock<S, C>(*this, first, Dense<S, C>::filled(p.rows(), p.cols(), [&](S* out) {
      decide_block(
          n, [&](std::size_t i) { return detail::plain_entry(packed, static_cast<Eigen::Index>(i)); },
          [&](std::size_t i, std::span<const std::int64_t> k) {
            for (std::size_t j = 0; j < k.size(); ++j) {
              out[i + j] = static_cast<S>(k[j]);
              if constexpr (is_dual<S>)
                this->offer(detail::entry_of(packed, static_cast<Eigen::Index>(i + j)), first + i + j, k[j]);
            }
          });
    }));
  }
  template <class U>
  DiscreteBlock<S, 1> columns(const Matrix<U>& w) {
    const std::size_t first = site_;
    return {*this, first, Vector<S>::filled(w.cols(), 1, [&](S* out) {
              for (Eigen::Index j = 0; j < w.cols(); ++j) {
                const std::int64_t k = decide(CategoricalView(w.col(j)), [this] { return this->uniform(); });
                if constexpr (is_dual<S>) this->offer(Categorical<U>(Vector<U>(w.col(j))), site_, k);
                visited(k);
                out[j] = static_cast<S>(k);
              }
            })};
  }

  template <class L>
  std::vector<Discrete<S>> repeated(const L& law, std::size_t n) {
    std::vector<Discrete<S>> drawn;
    drawn.reserve(n);
    decide_repeated(law.plain(), n, [&](std::int64_t k) {
      if constexpr (is_dual<S>) this->offer(law, site_, k);
      drawn.emplace_back(k);
    });
    return drawn;
  }

  S cost_ = 0;
  ReplayLog<S>* replay_log_ = nullptr;
};

}  // namespace stoat

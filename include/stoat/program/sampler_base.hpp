// stoat/program/sampler_base.hpp: how the draws of a run are decided, whatever the run is made of.
//
// Every discrete draw is a *sample site*, numbered in the order of execution. Its outcome is the law's inversion of one
// uniform number keyed by (seed, run, site), unless it is forced: a replay forces the sites before a changed one to their
// recorded outcomes, the changed one to its alternative, and lets all later ones draw on the same keys.
//
// "The same" means the same place in the order of execution: the n-th draw of the run, and, in loops of draw.iterate, the j-th
// draw of the same iteration, so that an iteration that makes more or fewer draws does not shift those of the next one. What a
// replay draws beyond the run has numbers of its own. Which number a draw gets depends on draws before it alone, and none serves
// twice: each path has the law of a run.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <stoat/distributions/law.hpp>
#include <stoat/program/loops.hpp>
#include <stoat/program/relaxation.hpp>
#include <stoat/program/site.hpp>
#include <stoat/random/philox.hpp>

namespace stoat {

inline constexpr std::size_t no_site = std::numeric_limits<std::size_t>::max();

/// How the draws of a run are decided.
struct DrawPlan {
  RunKey key;                                ///< of the random numbers
  std::span<const std::int64_t> forced{};    ///< outcomes of the first sites
  std::size_t changed = no_site;             ///< the site after them that is forced to another outcome ...
  std::int64_t change_to = 0;                ///< ... this one
  bool lowest = false;                       ///< afterwards: the lowest outcome of positive probability instead of a draw
  std::size_t limit = std::size_t{1} << 24;  ///< most draws of one run
  std::size_t datum = 0;                     ///< what draw.datum() says
  bool forget = false;                       ///< outcomes and marks of iterations gone by
  const Coupling* coupling = nullptr;        ///< changes the uniform numbers
  std::vector<double>* chances = nullptr;    ///< gets the probability of outcome 1 of every site

  const detail::LoopLog* loops = nullptr;            ///< of the run that this one is a replay of ...
  std::size_t sites = 0;                             ///< ... which drew so many sites ...
  const detail::Checkpoints* checkpoints = nullptr;  ///< ... and left these states: the replay skips what would repeat it
  bool rejoin = true;                                ///< leave a loop where the rest would repeat the run
  std::uint32_t loops_skipped = ~std::uint32_t{0};   ///< skip nothing in loops from this one on
  detail::Checkpoints* keep = nullptr;               ///< gets the states of this run
};

namespace detail {

/// Outcomes that a replay took from the run without drawing them: from site `at` on, n outcomes of the run from site `from` on.
struct Skip {
  std::size_t at, from, n;
};

/// What a run has come to, as far as later draws depend on it.
struct Place {
  std::size_t site = 0;
  std::size_t boundaries = 0;  ///< starts of iterations and ends of loops so far
  std::uint32_t labels_used = 0;
  bool noisy = false;
  std::unordered_map<std::uint64_t, std::uint32_t> labels{};  ///< how often each was used
};

}  // namespace detail

/// What samplers of plain and recorded runs share. It is a Boost.Random uniform random bit generator: raw words continue in
/// the stream of the last site, so noise taken from them is repeated by replays and shifts no other draw.
class SamplerBase {
 public:
  using result_type = std::uint32_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffff; }
  result_type operator()() {
    if (word_used_ == 4) next_words();
    return words_[word_used_++];
  }

  /// Number of sites visited so far in this run.
  std::size_t sites() const { return site_; }
  const std::vector<std::int64_t>& outcomes() const { return outcomes_; }
  /// True once raw words were used in this run: continuous draws, noise from Boost.Random.
  bool noisy() const { return noisy_; }
  /// The number of the datum that this run is about, in a program over data.
  std::size_t datum() const { return plan_.datum; }
  /// The uniform numbers that the sites from `site` on have in this run, if they are drawn by their order.
  void uniforms_of(std::size_t site, std::span<double> out) const;
  /// "(site 17, run 3)"
  std::string where() const;

  /// Calls body(state, t) for t = 0, ..., steps - 1. What the body changes must be its state; see loops.hpp. Loops may follow
  /// each other; one inside another is an ordinary loop. Throws InvalidArgument if steps < 0.
  template <class State, class Body>
  void iterate(State& state, int steps, Body&& body) {
    const bool outer = enter_loop(steps);
    for (int t = 0; t < steps; ++t) {
      if (outer) boundary(static_cast<std::size_t>(t));
      body(state, t);
    }
    if (outer) leave_loop();
  }

  // ---- for traces -----------------------------------------------------------------------------------------------

  /// The loops of this run, if it is no replay.
  const detail::LoopLog& loops() const { return loops_; }
  /// What this replay took from the run without drawing it. outcomes() are the others.
  const std::vector<detail::Skip>& skips() const { return skips_; }
  /// True if the state of a loop was that of the run again.
  bool rejoined() const { return rejoined_; }

 protected:
  void begin(const DrawPlan& plan);

  /// The outcome of the next site under a plain law; `u()` gives its uniform.
  template <PlainLaw L, class U>
  std::int64_t decide(const L& law, U&& u) {
    if (site_ < repeated_) return forced(plan_.forced[site_], law.support(), L::name);  // the law was valid when it was drawn
    if (!valid(law)) [[unlikely]]
      complain(L::name, law);
    if (site_ >= special_) [[unlikely]]
      return decide_special(law, u);
    return drawn(law, u);
  }
  /// Decides n sites from here on, law(i) being the plain law of the i-th, and goes on after them. write(i, outcomes) takes the
  /// outcomes of the sites i, i + 1, ... among them. If all are drawn, and `kept` is not null, it gets their uniform numbers.
  template <class Law, class Write>
  void decide_block(std::size_t n, const Law& law, const Write& write, double* kept = nullptr) {
    using L = std::remove_cvref_t<decltype(law(std::size_t{0}))>;
    if (n > plan_.limit - std::min(plan_.limit, site_)) [[unlikely]]
      too_many();
    constexpr std::size_t chunk = 256;  // what is in hand stays in the first-level cache
    std::array<double, chunk> u;
    std::array<std::int64_t, chunk> k;
    for (std::size_t begin = 0, count = 0; begin < n; begin += count) {
      if (key() >= keys_end_) [[unlikely]]
        take_fresh_keys();
      count = std::min({chunk, n - begin, keys_end_ - key()});
      bool good = true;
      for (std::size_t i = 0; i < count; ++i) good = good & valid(law(begin + i));
      for (std::size_t i = 0; !good && i < count; ++i, ++site_)
        if (!valid(law(begin + i))) complain(L::name, law(begin + i));
      if (site_ >= plan_.forced.size() && !plan_.lowest && !plan_.chances) {
        double* const v = kept ? kept + begin : u.data();
        uniforms(plan_.key, key(), std::span(v, count));
        if (plan_.coupling)
          for (std::size_t i = 0; i < count; ++i) v[i] = (*plan_.coupling)(site_ + i, v[i]);
        for (std::size_t i = 0; i < count; ++i) k[i] = quantile(law(begin + i), v[i]);
        if (plan_.changed - site_ < count) {
          const std::size_t i = plan_.changed - site_;
          k[i] = forced(plan_.change_to, law(begin + i).support(), L::name);
        }
        site_ += count;
      } else {
        for (std::size_t i = 0; i < count; ++i, ++site_) k[i] = decide(law(begin + i), [this] { return this->uniform(); });
      }
      const std::span<const std::int64_t> done(k.data(), count);
      outcomes_.insert(outcomes_.end(), done.begin(), done.end());
      write(begin, done);
    }
    restart_words();
  }
  /// Decides n sites from here on that have one law of labels, and goes on after them. visit(k) is called for each, before the
  /// next.
  template <class L, class Visit>
  void decide_repeated(L law, std::size_t n, const Visit& visit) {
    if (law.bound == 0 && site_ + n > repeated_) {
      if (!valid(law)) [[unlikely]]
        complain(L::name, law);
      law.sum_up(sums_);
    }
    for (; n > 0; --n) {
      const std::int64_t k = decide(law, [this] { return this->uniform(); });
      visit(k);
      visited(k);
    }
  }
  template <class L>
  static bool valid(const L& law) {
    if constexpr (requires { law.valid(); }) return law.valid();
    else if constexpr (requires { law.problem(); }) return law.problem().empty();
    else return true;
  }
  /// The lowest outcome of positive probability.
  template <PlainLaw L>
  static std::int64_t lowest(const L& law) {
    const Support support = law.support();
    std::int64_t k = support.lower;
    while (k < support.upper && !(law.pmf(k) > 0)) ++k;
    return k;
  }
  void visited(std::int64_t k) {
    outcomes_.push_back(k);
    ++site_;
    restart_words();
  }
  double uniform() {
    if (key() - buffer_first_ >= buffer_count_) refill();
    return buffer_[key() - buffer_first_];
  }
  /// How often a label was used before in this run. Each draw with a label asks once, forced or not.
  std::uint32_t occurrence(std::uint64_t label);
  double labelled_uniform(std::uint64_t label, std::uint32_t occurrence) const;
  template <class S, ContinuousLaw L>
  auto continuous(const L& law) {
    if (const std::string trouble = detail::plain(law).problem(); !trouble.empty()) [[unlikely]]
      complain(L::name, trouble);
    auto x = law.draw(*this);
    // A law that rejects uses more or fewer words as its parameters change: what comes next starts at a place of its own.
    if constexpr (requires { requires L::rejection; }) align_words();
    if constexpr (DenseLike<decltype(x)>) return Vector<S>(x);
    else return static_cast<S>(x);
  }
  /// Goes on at the next multiple of so many blocks of words, beyond what one draw hardly ever uses.
  void align_words() {
    constexpr std::uint32_t blocks = 16;
    word_ = (word_ / blocks + 1) * blocks;
    word_used_ = 4;
  }
  /// Raw words start at the present site.
  void restart_words() {
    word_ = 1;
    word_used_ = 4;
  }
  template <PlainLaw L>
  [[noreturn]] void complain(std::string_view name, const L& law) const {
    complain(name, stoat::problem(law));
  }
  [[noreturn]] void complain(std::string_view law, const std::string& trouble) const;
  [[noreturn]] void soft_as_number(std::string_view estimator, std::string_view law, std::size_t site) const;
  [[noreturn]] void no_mean(std::string_view law) const;
  [[noreturn]] void no_relaxation(std::string_view estimator, std::string_view law) const;
  std::int64_t forced(std::int64_t k, const Support& support, std::string_view law) const {
    if (!support.contains(k)) [[unlikely]]
      out_of_support(k, support, law);
    return k;
  }

  const DrawPlan& plan() const { return plan_; }

  /// Where the run is, at the start of an iteration of a loop or at its end.
  detail::Place place() const { return {site_, boundaries_, labels_used_, noisy_, labels_}; }
  /// Goes on there. Only for runs that are no replays; what led there is forgotten, but for the number of loops.
  void go_to(const detail::Place& place);

  // Loops. A boundary is the start of an iteration, or the end of a loop: the one after `steps` iterations.

  /// False if this loop is inside another.
  bool enter_loop(int steps);
  void leave_loop();
  /// Raw words go on in a stream of the boundary's own, and in a replay the keys are those of the run's same iteration.
  void boundary(std::size_t step) {
    if (step < known_steps_) {
      const detail::Mark* const run = plan_.loops->marks.data() + (boundary_ = known_first_ + step);
      if (fresh_) [[unlikely]]
        keep_fresh_keys();
      shift_ = run->sites - site_;
      keys_end_ = run[1].sites;
    } else {
      new_boundary(step);
    }
    boundary_key_ = key();
    restart_words();
  }
  std::size_t loop() const { return loop_; }
  /// The present loop, as the run had it that this is a replay of. Throws Error if it had no such loop.
  const detail::LoopLog::Loop& original_loop() const;
  [[noreturn]] void no_such_loop(const std::string& in_the_run) const;
  /// True if the changed site was drawn, and the draws with labels since the last skip were those of the run up to this boundary.
  bool may_rejoin(std::size_t boundary) const;
  /// Goes on at a later boundary of the run than the present one.
  void skip(std::size_t from, std::size_t to);
  void cost_added() { ++costs_added_; }

  std::size_t site_ = 0;                ///< the next one
  std::vector<std::int64_t> outcomes_;  ///< of the sites so far
  bool rejoined_ = false;               ///< a loop was left because its state was that of the run

 private:
  void next_words();
  void refill();
  /// Where a site is more than a draw.
  template <PlainLaw L, class U>
  std::int64_t decide_special(const L& law, const U& u) {
    if (site_ >= plan_.limit) too_many();
    if (plan_.chances) plan_.chances->push_back(law.pmf(1));
    else if (!plan_.lowest) special_ = plan_.limit;
    if (site_ < plan_.forced.size()) return forced(plan_.forced[site_], law.support(), L::name);
    if (site_ == plan_.changed) return forced(plan_.change_to, law.support(), L::name);
    return plan_.lowest ? lowest(law) : drawn(law, u);
  }
  template <PlainLaw L, class U>
  std::int64_t drawn(const L& law, const U& u) {
    if (key() >= keys_end_) [[unlikely]]
      take_fresh_keys();
    const std::int64_t k = quantile(law, u());
    if constexpr (requires { law.bound; })
      if (k < 0) [[unlikely]]
        complain(L::name, law);
    return k;
  }
  /// A boundary that is none of an iteration of the run that this is a replay of.
  void new_boundary(std::size_t step);
  /// In a replay: number and keys of the end of a loop, or of an iteration that the run did not make.
  void follow(bool end);
  /// The number of the uniform that the next site has.
  std::size_t key() const { return site_ + shift_; }
  /// From here to the next boundary, numbers that the run did not use.
  void take_fresh_keys();
  /// Takes those that were not used for later ones.
  void keep_fresh_keys() { next_fresh_ = key(), fresh_ = false; }
  [[noreturn]] void too_many() const;
  [[noreturn]] void out_of_support(std::int64_t k, const Support& support, std::string_view law) const;

  DrawPlan plan_;
  std::size_t repeated_ = 0;  ///< sites before this one are forced, and that is all
  std::size_t special_ = 0;   ///< from this site on more is to be done than to draw: it is changed, or one too many, or asked about
  // Two uniforms come from one Philox block; blocks are generated in runs.
  static constexpr std::size_t buffer_size_ = 32;
  std::size_t buffer_first_ = 0, buffer_count_ = 0;
  std::array<double, buffer_size_> buffer_{};
  std::uint32_t word_ = 1;
  unsigned word_used_ = 4;
  bool noisy_ = false;
  Words words_{};
  std::vector<double> sums_;                                 ///< of the weights of labels
  std::unordered_map<std::uint64_t, std::uint32_t> labels_;  ///< how often each was used since the last skip

  detail::LoopLog loops_;
  std::vector<detail::Skip> skips_;
  std::size_t loop_ = 0;                           ///< number of the present loop or, between two, of the next
  std::size_t steps_ = 0;                          ///< of the present loop
  std::size_t boundaries_ = 0;                     ///< of a run that is no replay, so far
  std::size_t known_first_ = 0, known_steps_ = 0;  ///< in a replay: first boundary and iterations of the run's same loop
  bool in_loop_ = false;
  std::size_t boundary_ = 0, boundary_key_ = no_site;  ///< the last boundary's stream of raw words, and where it is in use
  std::size_t new_boundaries_ = 0;                     ///< streams that the run did not have
  std::uint32_t costs_added_ = 0, labels_used_ = 0;
  std::vector<std::uint64_t> own_labels_;  ///< of a replay since the last skip ...
  std::size_t skipped_labels_ = 0;         ///< ... after so many of the run
  std::size_t shift_ = 0;                  ///< from the number of a site to that of its uniform
  std::size_t keys_end_ = no_site;         ///< where those of the run's same iteration end
  std::size_t next_fresh_ = 0;
  bool fresh_ = false;
};

}  // namespace stoat

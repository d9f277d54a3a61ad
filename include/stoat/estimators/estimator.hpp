// stoat/estimators/estimator.hpp: what a gradient estimator is.
//
// An estimator makes one gradient draw from a trace. It is four choices: the value a program sees at a site, the slope of the
// edge from outcome to parameter in an OPEN sweep, the number seeded at a parameter in a CUT sweep, and the plan of runs.
//
//   struct MyEstimator {
//     static constexpr bool unbiased = true;
//     std::string name() const;
//     template <class T> void sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const;
//   };
//
// `unbiased` may also be an ordinary member, if it depends on the knobs. Optional members: `int keys() const` (run keys used by one
// sample, default 1), `static constexpr bool uses_mean` (wants the mean cost of past samples as a baseline), `static constexpr bool
// deterministic` (one sample is the answer), and
//   template <class T> std::shared_ptr<const void> learn(Trace<T>& trace, const PilotContext& pilot) const;
// which makes what samples find as `context.learned`: tables and baselines from pilot runs, whose keys no sample has; and
// `std::string note(const void* learned) const`, what to tell about it in the diagnostics.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <Eigen/Core>

#include <stoat/program/trace.hpp>

namespace stoat {

/// What a sample may know besides its trace.
struct SampleContext {
  std::uint64_t seed = 0;              ///< of the whole estimate
  std::uint64_t index = 0;             ///< number of this sample
  int keys = 1;                        ///< independent runs of a sample
  double mean_cost = 0;                ///< mean cost over earlier rounds and the pilot; never over the present round
  const void* learned = nullptr;       ///< what the estimator's learn() made
  Purpose purpose = Purpose::program;  ///< pilot: the sample belongs to one
  /// The key of the k-th independent run of this sample.
  RunKey key(int k = 0) const { return {seed, index * static_cast<std::uint64_t>(keys) + static_cast<std::uint64_t>(k), purpose}; }
  /// Randomness for the estimator's own choices, independent of the program's draws.
  Generator choices() const {
    return Generator({seed, (purpose == Purpose::pilot ? std::uint64_t{1} << 39 : 0) | index, Purpose::engine});
  }
};

/// What a pilot may know besides its trace.
struct PilotContext {
  std::uint64_t seed = 0;                                             ///< of the whole estimate
  std::uint64_t first = 0;                                            ///< the number of the first pilot run
  static constexpr std::uint64_t most_runs = std::uint64_t{1} << 20;  ///< of one pilot
  /// The key of the k-th pilot run, of a program over data about the next datum.
  template <class T>
  RunKey run(Trace<T>& trace, std::uint64_t k) const {
    if (trace.data() > 0) trace.set_datum(static_cast<std::size_t>((first + k) % trace.data()));
    return {seed, first + k, Purpose::pilot};
  }
  /// Randomness for the estimator's own choices in it.
  Generator choices(std::uint64_t k) const { return Generator({seed, std::uint64_t{1} << 39 | (first + k), Purpose::engine}); }
  /// A sample of an estimator that needs so many keys, in place of the k-th pilot run.
  template <class T>
  SampleContext sample(Trace<T>& trace, std::uint64_t k, int keys, double mean_cost, const void* learned) const {
    run(trace, k);
    const std::uint64_t next = first / static_cast<std::uint64_t>(keys) + 1;
    return {seed, next + k, keys, mean_cost, learned, Purpose::pilot};
  }
};

/// One draw of a gradient estimate. `gradient` comes in as zeros of the right length.
struct GradientDraw {
  double value = 0;  ///< of the cost
  Eigen::VectorXd gradient;
};

template <class E>
concept Estimator = requires(const E& e, Trace<double>& trace, const SampleContext& context, GradientDraw& out) {
  { e.unbiased } -> std::convertible_to<bool>;
  { e.name() } -> std::convertible_to<std::string>;
  e.sample(trace, context, out);
};

/// Any estimator, erased. Knobs are checked by the estimator when it samples.
class AnyEstimator {
 public:
  template <class E>
    requires(!std::same_as<E, AnyEstimator>)
  &&Estimator<E> AnyEstimator(E estimator) : model_(std::make_shared<const Model<E>>(std::move(estimator))) {}

  /// Equal: a copy, with the same knobs.
  friend bool operator==(const AnyEstimator&, const AnyEstimator&) = default;

  std::string name() const { return model_->name(); }
  bool unbiased() const { return model_->unbiased(); }
  bool uses_mean() const { return model_->uses_mean(); }
  bool deterministic() const { return model_->deterministic(); }
  int keys() const { return model_->keys(); }
  /// Null if the estimator learns nothing.
  std::shared_ptr<const void> learn(Trace<double>& trace, const PilotContext& pilot) const { return model_->learn(trace, pilot); }
  std::shared_ptr<const void> learn(Trace<float>& trace, const PilotContext& pilot) const { return model_->learn(trace, pilot); }
  /// What to tell about what was learnt; may be empty.
  std::string note(const void* learned) const { return learned ? model_->note(learned) : std::string(); }
  void sample(Trace<double>& trace, const SampleContext& context, GradientDraw& out) const { model_->sample(trace, context, out); }
  void sample(Trace<float>& trace, const SampleContext& context, GradientDraw& out) const { model_->sample(trace, context, out); }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string name() const = 0;
    virtual bool unbiased() const = 0;
    virtual bool uses_mean() const = 0;
    virtual bool deterministic() const = 0;
    virtual int keys() const = 0;
    virtual std::shared_ptr<const void> learn(Trace<double>&, const PilotContext&) const = 0;
    virtual std::shared_ptr<const void> learn(Trace<float>&, const PilotContext&) const = 0;
    virtual std::string note(const void*) const = 0;
    virtual void sample(Trace<double>&, const SampleContext&, GradientDraw&) const = 0;
    virtual void sample(Trace<float>&, const SampleContext&, GradientDraw&) const = 0;
  };
  template <class E>
  struct Model final : Concept {
    E e;
    explicit Model(E estimator) : e(std::move(estimator)) {}
    std::string name() const override { return e.name(); }
    bool unbiased() const override { return e.unbiased; }
    bool uses_mean() const override {
      if constexpr (requires { E::uses_mean; }) return E::uses_mean;
      else return false;
    }
    bool deterministic() const override {
      if constexpr (requires { E::deterministic; }) return E::deterministic;
      else return false;
    }
    int keys() const override {
      if constexpr (requires { e.keys(); }) return e.keys();
      else return 1;
    }
    std::shared_ptr<const void> learn(Trace<double>& t, const PilotContext& p) const override { return learn_from(t, p); }
    std::shared_ptr<const void> learn(Trace<float>& t, const PilotContext& p) const override { return learn_from(t, p); }
    template <class T>
    std::shared_ptr<const void> learn_from(Trace<T>& t, const PilotContext& p) const {
      if constexpr (requires { e.learn(t, p); }) return e.learn(t, p);
      else return nullptr;
    }
    std::string note(const void* learned) const override {
      if constexpr (requires { e.note(learned); }) return e.note(learned);
      else return {};
    }
    void sample(Trace<double>& t, const SampleContext& c, GradientDraw& out) const override { e.sample(t, c, out); }
    void sample(Trace<float>& t, const SampleContext& c, GradientDraw& out) const override {
      if constexpr (requires { e.sample(t, c, out); }) e.sample(t, c, out);
      else throw Refusal(e.name() + ": not available for programs in float");
    }
  };
  std::shared_ptr<const Concept> model_;
};

/// Declares sample() for float and double of an estimator whose definition is in lib/.
#define STOAT_SAMPLE \
  template <class T> \
  void sample(Trace<T>& trace, const SampleContext& context, GradientDraw& out) const

}  // namespace stoat

// stoat/driver/monte_carlo.hpp: many gradient draws on threads and ranks, and their moments; what estimate(), minimize() and the
// comparisons have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <stoat/driver/estimate.hpp>
#include <stoat/driver/reduce.hpp>
#include <stoat/estimators/estimator.hpp>

namespace stoat::detail {

/// Running means and centred second moments of a vector of quantities, mergeable (Chan, Golub, LeVeque 1979).
struct Moments {
  std::uint64_t count = 0;
  Eigen::VectorXd mean, squares, smallest, largest;
  Eigen::MatrixXd products;  ///< centred, of those whose covariance is measured
  void add(const Eigen::Ref<const Eigen::VectorXd>& x);
  void merge(const Moments& other);
  /// The components from `first` on, `size` of them, have their covariance measured. Before the first add().
  void measure_covariance(Eigen::Index first, Eigen::Index size) { first_ = first, products.setZero(size, size); }
  template <class A>
  void fields(A& archive) {
    archive(count, mean, squares, smallest, largest, products, first_);
  }
  double variance(Eigen::Index i) const { return count > 1 ? squares[i] / static_cast<double>(count - 1) : 0; }
  double error(Eigen::Index i) const;

 private:
  Eigen::Index first_ = 0;
};

/// Draws many samples on several threads. Kept between estimates, so tapes stay warm and what an estimator learnt serves again.
template <class T>
class MonteCarlo {
 public:
  MonteCarlo(const Program<T>& program, const Eigen::VectorX<T>& theta, int threads, std::size_t max_draws,
             std::shared_ptr<Ranks> ranks = {});
  ~MonteCarlo();

  /// Further quantities of every draw, averaged beside the gradient. `fill` is called from several threads.
  struct Observables {
    Eigen::Index count = 0;
    std::function<void(const GradientDraw&, Eigen::Ref<Eigen::VectorXd>)> fill{};
  };
  struct Result {
    Moments moments;  ///< value, gradient, then one entry per projection and observable
    Work work;
    typename Trace<T>::Notes notes;
    std::string note;  ///< what the estimator tells about what it learnt
    double seconds = 0;
    double draw_seconds = 0;     ///< of one thread, spent in the estimator alone; measured if there are observables
    std::size_t tape_bytes = 0;  ///< most that the tape of a recording took; likewise
    std::uint64_t resumed = 0;   ///< samples that a checkpoint had
    bool interrupted = false;    ///< some rank was
    bool complete = true;        ///< all samples were drawn
    RankTimes times;
  };
  /// Samples are dealt in fixed blocks, blocks are merged in a fixed tree, adaptive state changes between rounds of blocks only.
  Result sample(const Eigen::VectorX<T>& theta, const AnyEstimator& estimator, const Options& options, std::uint64_t first_index,
                const Eigen::MatrixXd& projections, const Observables& observables = {});

  /// What goes from one call of sample() to the next. What an estimator learnt is told by where it did, for it can learn it again.
  struct Memory {
    std::uint64_t drawn = 0, relearn = 0;          ///< samples so far, and after how many to learn again
    std::uint64_t pilots = 0;                      ///< pilot runs so far
    double last_mean = 0;                          ///< mean cost of the last samples
    Eigen::VectorX<T> theta{};                     ///< where the estimator learnt, ...
    std::uint64_t first_index = 0, first_run = 0;  ///< ... before which sample and from which pilot run on
    template <class A>
    void fields(A& archive) {
      archive(drawn, relearn, pilots, last_mean, theta, first_index, first_run);
    }
  };
  const Memory& memory() const { return memory_; }
  /// Goes on as the one whose memory it was, with the same bits: the same program, estimator and seed.
  void restore(const Memory& memory, const AnyEstimator& estimator, std::uint64_t seed);
  /// Whether an interruption ends sample() early, from now on; at first it does not.
  void allow_partial(bool partial) { partial_ = partial; }

 private:
  struct Worker;
  struct Sums;
  struct State;
  /// What samples learn from must not depend on them: it comes from pilot runs, which every rank makes alike.
  void prepare(const Eigen::VectorX<T>& theta, const AnyEstimator& estimator, std::uint64_t seed, std::uint64_t first_index,
               State& state);
  void learn(const AnyEstimator& estimator, std::uint64_t seed);
  /// One block of samples.
  Sums block(Worker& worker, const AnyEstimator& estimator, const SampleContext& context, std::uint64_t count,
             const Options& options, const Eigen::MatrixXd& projections, const Observables& observables) const;
  bool load(const std::string& identity, const AnyEstimator& estimator, const Options& options, State& state);

  std::shared_ptr<Ranks> ranks_;
  std::vector<std::unique_ptr<Worker>> workers_;  ///< one a thread
  std::optional<AnyEstimator> learner_;           ///< who learned last ...
  std::shared_ptr<const void> learned_;           ///< ... and what
  Memory memory_;
  bool partial_ = false;
  double sample_seconds_ = std::numeric_limits<double>::infinity();  ///< of one thread, at the last time
};

/// Tells programs apart, though not all of them: their costs at theta on four keys.
template <class T>
std::string fingerprint(const Program<T>& program, const Eigen::VectorX<T>& theta, std::uint64_t seed);

/// Notes of a result in words.
std::vector<std::string> diagnostics(std::uint64_t recordings, std::uint64_t numbers, std::uint64_t variables,
                                     std::uint64_t comparisons, std::size_t first_comparison, bool surrogate);

}  // namespace stoat::detail

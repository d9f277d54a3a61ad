// examples/compare_estimators/gallery.hpp: stochastic programs whose expected cost and gradient are known.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <stoat/stoat.hpp>

/// The answer, computed when it is first asked for.
class Truth {
 public:
  Truth(stoat::Exact known) : state_(std::make_shared<State>(State{{}, std::move(known)})) {}
  Truth(std::function<stoat::Exact()> compute) : state_(std::make_shared<State>(State{std::move(compute), {}})) {}
  const stoat::Exact& operator()() const {
    if (!state_->value) state_->value = state_->compute();
    return *state_->value;
  }

 private:
  struct State {
    std::function<stoat::Exact()> compute;
    std::optional<stoat::Exact> value;
  };
  std::shared_ptr<State> state_;
};

struct GalleryProgram {
  std::string name, description;
  stoat::Program<double> program;
  Eigen::VectorXd theta;
  Truth truth;                     ///< truth().source says where the numbers come from
  std::uint64_t samples = 20'000;  ///< draws that take each estimator a second or so
  /// Exact expected cost at any theta, of programs that are worth minimising; `rate` is a step for Adam.
  std::function<double(const Eigen::VectorXd&)> loss{};
  double rate = 0;
};

/// All programs, small ones first.
const std::vector<GalleryProgram>& gallery();

/// A program of any size.
struct GalleryFamily {
  std::string name;
  std::vector<int> sizes;
  std::function<GalleryProgram(int)> make;
};
const std::vector<GalleryFamily>& families();

// Families whose members the tests build at other sizes than the gallery's.
GalleryProgram inhomogeneous_walk(int n, double theta);
GalleryProgram drifting_walk(int n);
GalleryProgram toy(double target, double theta);
GalleryProgram quadratic_coins(int n);  ///< n even
GalleryProgram tanh_of_sum(int n);
GalleryProgram tanh_coins(int n);                       ///< n even; time 2^n
GalleryProgram binary_network(int inputs, int hidden);  ///< hidden even; time 2^hidden
GalleryProgram binomial_epidemic(int people, int steps);
GalleryProgram bars_autoencoder(int side, int latents, int images);  ///< latents even; time images * 2^latents
GalleryProgram recurrent_network();

/// The truth of recurrent_network() once more, from independent random numbers.
stoat::Exact recompute_recurrent_truth(std::uint64_t samples, std::uint64_t seed);

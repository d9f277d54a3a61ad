// The runner of the gallery: what it writes, and what it refuses.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <common/showcase.hpp>
#include <stoat/distributions/bernoulli.hpp>
#include <stoat/estimators/score_function.hpp>

using namespace stoat;

namespace {

/// Coins with different probabilities, counted with weights 1, 2, ...: E = sum_i i * p_i.
struct WeightedCoins {
  template <class S>
  S operator()(Sampler<S>& draw, const Vector<S>& theta) const {
    S sum = 0;
    for (Eigen::Index i = 0; i < theta.size(); ++i) sum += static_cast<double>(i + 1) * draw(Bernoulli(theta[i]));
    return sum;
  }
};

showcase::Showcase coins(Eigen::Index n) {
  const auto square = []<class S>(Sampler<S>& draw, const Vector<S>& t) -> S {
    const S x = draw(Bernoulli(logistic(t[0])));
    return x + 0.5 * (1 - x) * (1 - x);
  };
  return {.name = "coins",
          .title = "Coins",
          .text = "<p>Coins.</p>",
          .program = WeightedCoins{},
          .theta = Eigen::VectorXd::Constant(n, 0.3),

          .plain =
              [](const Eigen::VectorXd& theta, boost::random::mt19937& generator) {
                double sum = 0;
                for (Eigen::Index i = 0; i < theta.size(); ++i)
                  sum += static_cast<double>(i + 1) * (generator() < theta[i] * 4294967296.0);
                return sum;
              },
          .estimator = StochasticDerivative{},
          .samples = 1000,
          .estimators = {ScoreFunction{}},
          .descent = {
              .program = square, .start = Eigen::VectorXd::Constant(1, 2.0), .estimator = LeaveOneOut{2}, .optimizer = Adam{0.1}}};
}

/// What the runner prints, and its exit code.
struct Output {
  int code;
  std::string text;
};
Output run(const showcase::Showcase& s, std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "coins");
  std::ostringstream text;
  std::streambuf* const out = std::cout.rdbuf(text.rdbuf());
  std::streambuf* const err = std::cerr.rdbuf(text.rdbuf());
  const int code = showcase::run(s, static_cast<int>(arguments.size()), arguments.data());
  std::cout.rdbuf(out);
  std::cerr.rdbuf(err);
  return {code, text.str()};
}

std::string folder(const char* name) { return (std::filesystem::temp_directory_path() / name).string(); }

}  // namespace

TEST_CASE("the runner writes a page with value, gradient, comparison and descent") {
  const std::string out = folder("stoat_showcase_few");
  const Output o = run(coins(2), {"--quick", "--samples", "2000", "--out", out.c_str(), "--threads", "1"});
  CAPTURE(o.text);
  CHECK(o.code == 0);
  CHECK(o.text.find("index.html") != std::string::npos);
  CHECK(o.text.find("d / d theta[1]") != std::string::npos);
  CHECK(o.text.find("FiniteDifference") != std::string::npos);
  for (const char* file : {"index.html", "comparison.html", "comparison.csv", "comparison.json", "descent.csv"})
    CHECK(std::filesystem::file_size(std::filesystem::path(out) / file) > 100);
  // parameter,theta,gradient,standard_error: this program is linear, so one replay or two give its gradient up to the choice.
  std::ifstream csv(std::filesystem::path(out) / "gradient.csv");
  std::string line;
  std::getline(csv, line);
  for (int j = 0; j < 2; ++j) {
    double theta = 0, gradient = 0, error = 0;
    std::getline(csv, line, ',');
    char comma = 0;
    csv >> theta >> comma >> gradient >> comma >> error;
    std::getline(csv, line);
    CHECK(theta == 0.3);
    CHECK(std::abs(gradient - (j + 1)) < 5 * error);  // a false alarm once in a million seeds
    CHECK(error < 0.1);
  }
  // The same seed, and any number of threads, say the same.
  const Output again = run(coins(2), {"--quick", "--samples", "2000", "--out", out.c_str(), "--threads", "2"});
  CHECK(again.text == o.text);
  std::filesystem::remove_all(out);
}

TEST_CASE("along() is the program on a plane") {
  Eigen::MatrixXd directions(3, 2);
  directions << 1, 0.5, 0, 1, -1, 0;
  const Eigen::VectorXd theta = Eigen::Vector3d(0.2, 0.5, 0.6);
  const Estimate e = estimate(showcase::along(WeightedCoins{}, theta, directions), Eigen::VectorXd::Zero(2),
                              StochasticDerivative{0}, {.samples = 10});
  REQUIRE(e.gradient.size() == 2);
  CHECK(e.gradient[0] == doctest::Approx(1 - 3));  // all replays of a linear program: no noise
  CHECK(e.gradient[1] == doctest::Approx(0.5 + 2));
}

TEST_CASE("programs of many parameters are summed along directions") {
  const std::string out = folder("stoat_showcase_many");
  const Output o = run(coins(40), {"--samples", "200", "--quick", "--out", out.c_str()});
  CAPTURE(o.text);
  CHECK(o.code == 0);
  CHECK(o.text.find("along signs 3") != std::string::npos);
  CHECK(o.text.find("theta[39]") == std::string::npos);
  std::filesystem::remove_all(out);
}

TEST_CASE("the runner refuses what it does not know, and reports errors of programs") {
  CHECK(run(coins(2), {"--help"}).code == 0);
  CHECK(run(coins(2), {"--samplse", "3"}).code == 2);
  CHECK(run(coins(2), {"--samples", "1"}).code == 2);
  CHECK(run(coins(2), {"--threads", "-1"}).code == 2);
  showcase::Showcase wrong = coins(2);
  wrong.theta[1] = 1.2;
  const std::string out = folder("stoat_showcase_wrong");
  const Output o = run(wrong, {"--quick", "--out", out.c_str()});
  CHECK(o.code == 1);
  CHECK(o.text.find("p = 1.2 is outside [0, 1]") != std::string::npos);
  std::filesystem::remove_all(out);
}

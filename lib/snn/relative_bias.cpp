#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <tuple>

#include <stoat/snn/bias.hpp>

namespace stoat::snn {
namespace {

using Interval = RelativeBias::Interval;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Means over pairs of different blocks.
struct Products {
  double gg = 0, gs = 0, ss = 0;  // |g|^2, <g, E SG>, |E SG|^2
  double bb() const { return gg - 2 * gs + ss; }
};

/// Of all blocks, and without each of them in turn.
struct Jackknife {
  Products all;
  std::vector<Products> without;

  /// A function of the products, and the standard error of its value.
  std::pair<double, double> operator()(const std::function<double(const Products&)>& f) const {
    const auto n = static_cast<double>(without.size());
    double mean = 0, squares = 0;
    for (const Products& p : without) mean += f(p) / n;
    for (const Products& p : without) squares += std::pow(f(p) - mean, 2);
    const double error = std::sqrt((n - 1) / n * squares);
    return {f(all), std::isfinite(error) ? error : infinity};
  }
};

/// Sets one product from the inner products of the blocks.
void set_product(Jackknife& jackknife, double Products::*product, const Eigen::MatrixXd& gram) {
  const auto n = static_cast<double>(gram.rows());
  const double sum = gram.sum() - gram.trace();
  jackknife.all.*product = sum / (n * (n - 1));
  for (Eigen::Index j = 0; j < gram.rows(); ++j) {
    const double of_block = gram.row(j).sum() + gram.col(j).sum() - 2 * gram(j, j);
    jackknife.without[static_cast<std::size_t>(j)].*product = (sum - of_block) / ((n - 1) * (n - 2));
  }
}

Interval interval(std::pair<double, double> measured, double least, double most) {
  const auto [value, error] = measured;
  const auto within = [=](double x) { return std::clamp(x, least, most); };
  return {within(value), std::isfinite(error) ? within(value - 2 * error) : least,
          std::isfinite(error) ? within(value + 2 * error) : most};
}

/// The standard deviation of the estimate of a squared norm if the mean were 0: sqrt(2 tr(Sigma^2) / (n (n - 1))), Sigma the
/// covariance of a block and tr(Sigma^2) the variance of the inner products of different blocks. It is a floor of the error: where
/// a mean happens to be near 0 the jackknife sees none.
double noise_without_mean(const Eigen::MatrixXd& gram) {
  const Eigen::Index n = gram.rows();
  const Eigen::VectorXd means = gram.rowwise().mean();
  const double mean = means.mean();
  double sum = 0, squares = 0;
  for (Eigen::Index j = 0; j < n; ++j)
    for (Eigen::Index k = 0; k < j; ++k) {
      const double centred = gram(j, k) - means[j] - means[k] + mean;
      sum += centred, squares += centred * centred;
    }
  const double pairs = static_cast<double>(n * (n - 1)) / 2;
  return std::sqrt(std::max(0.0, squares - sum * sum / pairs)) / pairs;
}

/// True if a squared norm is beyond 2 standard errors.
bool shows(std::pair<double, double> measured, const Eigen::MatrixXd& gram) {
  return measured.first > 2 * std::max(measured.second, noise_without_mean(gram));
}

void compare_signs(const Eigen::Ref<const Eigen::MatrixXd>& unbiased, const Eigen::Ref<const Eigen::MatrixXd>& surrogate,
                   RelativeBias& result) {
  const auto n = static_cast<double>(unbiased.cols());
  const auto resolved_mean = [n](const auto& blocks) {
    const double mean = blocks.mean(), error = std::sqrt((blocks.array() - mean).square().sum() / (n * (n - 1)));
    return std::abs(mean) > 5 * error ? mean : 0.0;
  };
  double weight = 0, same = 0;
  for (Eigen::Index i = 0; i < unbiased.rows(); ++i) {
    const double g = resolved_mean(unbiased.row(i)), s = g == 0 ? 0.0 : resolved_mean(surrogate.row(i));
    if (s == 0) continue;
    ++result.resolved;
    weight += std::abs(g);
    if ((g > 0) == (s > 0)) same += std::abs(g);
  }
  result.sign_agreement = result.resolved > 0 ? same / weight : nan;
}

/// True if one block outweighs the others by more than a mean survives.
bool heavy_tailed(Eigen::VectorXd squared_norms) {
  const double most = squared_norms.maxCoeff(), sum = squared_norms.sum();
  const auto middle = squared_norms.begin() + squared_norms.size() / 2;
  std::nth_element(squared_norms.begin(), middle, squared_norms.end());
  return most > 0.2 * sum || most > 1e3 * *middle;
}

}  // namespace

RelativeBias relative_bias(const Eigen::Ref<const Eigen::MatrixXd>& unbiased, const Eigen::Ref<const Eigen::MatrixXd>& surrogate) {
  if (unbiased.rows() != surrogate.rows() || unbiased.cols() != surrogate.cols())
    throw InvalidArgument("relative_bias: the two sets of blocks differ in shape");
  if (unbiased.cols() < 4)
    throw InvalidArgument("relative_bias: " + outside("blocks", static_cast<double>(unbiased.cols()), "[4, infinity)"));
  const Eigen::MatrixXd gg = unbiased.transpose() * unbiased, gs = unbiased.transpose() * surrogate,
                        ss = surrogate.transpose() * surrogate;
  Jackknife jackknife;
  jackknife.without.resize(static_cast<std::size_t>(gg.rows()));
  set_product(jackknife, &Products::gg, gg);
  set_product(jackknife, &Products::gs, gs);
  set_product(jackknife, &Products::ss, ss);

  RelativeBias result;
  result.parameters = unbiased.rows();
  const double g_squared = jackknife.all.gg;
  const bool g_resolved = shows(jackknife([](const Products&p) { return p.gg; }), gg),
             s_resolved = shows(jackknife([](const Products&p) { return p.ss; }), ss);
  const auto resolved = [](bool condition, std::pair<double, double> measured) {
    return condition ? measured : std::pair(nan, infinity);
  };
  const double noise = noise_without_mean(gg - gs - gs.transpose() + ss) / g_squared;
  result.detectable = g_resolved ? std::sqrt(2 * noise) : nan;
  auto squared = resolved(g_resolved, jackknife([](const Products& p) { return p.bb() / p.gg; }));
  squared.second = std::max(squared.second, noise);
  std::tie(result.squared, result.squared_error) = squared;
  const Interval of_square = interval(squared, 0, infinity);
  result.bias = {std::sqrt(of_square.value), std::sqrt(of_square.lower), std::sqrt(of_square.upper)};
  result.cosine = interval(
      resolved(g_resolved && s_resolved, jackknife([](const Products& p) { return p.gs / std::sqrt(p.gg * p.ss); })), -1, 1);
  result.shrink = interval(resolved(s_resolved, jackknife([](const Products& p) { return p.gs / p.ss; })), -infinity, infinity);
  compare_signs(unbiased, surrogate, result);
  result.usable = s_resolved || !heavy_tailed(ss.diagonal());
  return result;
}

}  // namespace stoat::snn

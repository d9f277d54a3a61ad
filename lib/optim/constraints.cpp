#include <stoat/optim/constraints.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

#include <stoat/error.hpp>

namespace stoat {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double smallest = std::numeric_limits<double>::min();

std::string range(double low, double high) {
  std::ostringstream text;
  text << '(' << low << ", " << high << ')';
  return text.str();
}

}  // namespace

std::string Constraints::name(const Group& g) {
  const std::string where = " [" + std::to_string(g.first) + ", " + std::to_string(g.first + g.count) + ")";
  return g.simplex ? "simplex" + where : "interval" + where + " in " + range(g.low, g.high);
}

std::string Constraints::text() const {
  std::string list;
  for (const Group& g : groups_) list += (list.empty() ? "" : "; ") + name(g);
  return list;
}

void Constraints::add(const Group& group) {
  const std::string who = "Constraints: " + name(group);
  if (group.first < 0) throw InvalidArgument(who + ": " + outside("first", static_cast<double>(group.first), "[0, infinity)"));
  if (group.count < 1) throw InvalidArgument(who + ": " + outside("count", static_cast<double>(group.count), "[1, infinity)"));
  if (group.simplex && group.count == 1) throw InvalidArgument(who + ": one coordinate alone can only be 1");
  if (!(group.low < group.high)) throw InvalidArgument(who + ": there is nothing between its ends");
  if (std::isinf(group.low) && std::isinf(group.high)) throw InvalidArgument(who + ": at least one end must be finite");
  for (const Group& g : groups_)
    if (group.first < g.first + g.count && g.first < group.first + group.count) throw InvalidArgument(who + " overlaps " + name(g));
  groups_.push_back(group);
}

Constraints& Constraints::positive(Eigen::Index first, Eigen::Index count) { return interval(first, count, 0, infinity); }
Constraints& Constraints::interval(Eigen::Index first, Eigen::Index count, double low, double high) {
  add({first, count, false, low, high});
  return *this;
}
Constraints& Constraints::simplex(Eigen::Index first, Eigen::Index count) {
  add({first, count, true, 0, 1});
  return *this;
}

Eigen::VectorXd Constraints::free(const Eigen::VectorXd& theta) const {
  Eigen::VectorXd x = theta;
  for (const Group& g : groups_) {
    if (g.first + g.count > theta.size())
      throw InvalidArgument("Constraints: " + name(g) + " goes beyond the " + std::to_string(theta.size()) + " parameters");
    for (Eigen::Index i = g.first; i < g.first + g.count; ++i) {
      const double t = theta[i];
      if (!(t > g.low && t < g.high))
        throw InvalidArgument("Constraints: " + outside("theta[" + std::to_string(i) + "]", t, range(g.low, g.high)) +
                              (t == g.low || t == g.high ? ": a descent cannot leave the boundary" : ""));
      if (g.simplex || std::isinf(g.high)) x[i] = std::log(t - g.low);
      else if (std::isinf(g.low)) x[i] = -std::log(g.high - t);
      else x[i] = std::log((t - g.low) / (g.high - t));
    }
    if (!g.simplex) continue;
    const double sum = theta.segment(g.first, g.count).sum();
    if (!(std::abs(sum - 1) <= 1e-9)) {
      std::ostringstream text;
      text.precision(12);
      text << "Constraints: " << name(g) << ": its sum is " << sum << ", not 1";
      throw InvalidArgument(text.str());
    }
    x.segment(g.first, g.count).array() -= x.segment(g.first, g.count).mean();
  }
  return x;
}

Eigen::VectorXd Constraints::constrained(const Eigen::VectorXd& x) const {
  Eigen::VectorXd theta = x;
  for (const Group& g : groups_) {
    auto t = theta.segment(g.first, g.count).array();
    if (g.simplex) {
      t = (t - t.maxCoeff()).exp();
      t = (t / t.sum()).max(smallest);
      continue;
    }
    for (double& y : theta.segment(g.first, g.count)) {
      if (std::isinf(g.high)) y = g.low + std::exp(y);
      else if (std::isinf(g.low)) y = g.high - std::exp(-y);
      else y = y < 0 ? g.low + (g.high - g.low) / (1 + std::exp(-y)) : g.high - (g.high - g.low) / (1 + std::exp(y));
      // Not std::clamp: what is not a number stays that, and an overflow is reported as such.
      if (y <= g.low) y = g.low == 0 ? smallest : std::nextafter(g.low, infinity);
      if (y >= g.high && std::isfinite(g.high)) y = g.high == 0 ? -smallest : std::nextafter(g.high, -infinity);
    }
  }
  return theta;
}

void Constraints::pull_back(const Eigen::VectorXd& theta, Eigen::Ref<Eigen::VectorXd> gradient) const {
  for (const Group& g : groups_) {
    auto h = gradient.segment(g.first, g.count).array();
    const auto t = theta.segment(g.first, g.count).array();
    if (g.simplex) h = t * (h - (t * h).sum());
    else if (std::isinf(g.high)) h *= t - g.low;
    else if (std::isinf(g.low)) h *= g.high - t;
    else h *= (t - g.low) * (g.high - t) / (g.high - g.low);
  }
}

}  // namespace stoat

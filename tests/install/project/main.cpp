#include <iostream>
#include <stoat/snn.hpp>
#include <stoat/stoat.hpp>

// Another source file that includes everything as well.
double second();

#define TEXT(x) #x
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

int main() {
#ifdef PACKAGE_VERSION
  const std::string version = VERSION(STOAT_VERSION_MAJOR, STOAT_VERSION_MINOR, STOAT_VERSION_PATCH);
  if (version != PACKAGE_VERSION) {
    std::cerr << "headers of " << version << ", package of " << PACKAGE_VERSION << '\n';
    return 1;
  }
#endif
  auto coin = []<class S>(stoat::Sampler<S>& draw, const stoat::Vector<S>& p) -> S { return 3 * draw(stoat::Bernoulli(p[0])); };
  const stoat::Estimate e =
      stoat::estimate(coin, Eigen::VectorXd::Constant(1, 0.3), stoat::StochasticDerivative{}, {.samples = 1000});
  std::cout << e.gradient[0] * second() << '\n';
}

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/snn/encode.hpp>
#include <stoat/snn/plot.hpp>

#include "files.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

bool has_gnuplot() { return std::system("command -v gnuplot >/dev/null 2>&1") == 0; }

SpikeEvents small() {
  SpikeEvents events(10, 4);
  events.add(std::vector<Spike>{{0, 0}, {3, 2}, {9, 3}});
  events.add(std::vector<Spike>{});
  return events;
}

/// The message of the error, or nothing.
template <class Exception>
std::string complaint(auto call) {
  try {
    call();
  } catch (const Exception& e) { return e.what(); }
  return {};
}

/// Another value of PATH, until the end of the scope.
class Path {
 public:
  explicit Path(const std::string& value) : old_(std::getenv("PATH")) { ::setenv("PATH", value.c_str(), 1); }
  ~Path() { ::setenv("PATH", old_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string old_;
};

}  // namespace

TEST_CASE("a raster plot is a picture with its data and its script beside it") {
  if (!has_gnuplot()) return;
  const Folder folder("plot's raster");  // a quote and a blank in the path
  plot_raster(small(), 0, 2e-3, folder / "one.svg");
  CHECK(content(folder / "one.csv") == "panel,time_ms,unit\n0,0,0\n0,6,2\n0,18,3\n");
  const std::string svg = content(folder / "one.svg");
  CHECK(svg.find("time (ms)") != std::string::npos);
  CHECK(svg.find("unit") != std::string::npos);
  CHECK(svg.find("</svg>") != std::string::npos);
  plot_raster(small(), 0, 2e-3, folder / "trials.svg", "trial's number");
  CHECK(content(folder / "trials.svg").find("s number") != std::string::npos);

  plot_raster(small(), small(), 1, 2e-3, folder / "silent.png");
  CHECK(content(folder / "silent.png").substr(1, 3) == "PNG");
  CHECK(content(folder / "silent.csv") == "panel,time_ms,unit\n");
  CHECK_FALSE(content(folder / "silent.gp").empty());
}

TEST_CASE("a weight plot shows the matrix and its histogram") {
  if (!has_gnuplot()) return;
  const Folder folder("plot-weights");
  Eigen::MatrixXd weights(2, 3);
  weights << -1, 0, 0.5, 1, 0, 0;
  plot_weights(weights, folder / "w.svg", "input's unit", "output unit");
  CHECK(content(folder / "w.csv") == "-1,0,0.5\n1,0,0\n");
  const std::string svg = content(folder / "w.svg"), script = content(folder / "w.gp");
  CHECK(svg.find("output unit") != std::string::npos);
  CHECK(svg.find("<image") != std::string::npos);
  // 11 bins of width 2 / 11: the ends hold one entry each, the middle the three zeros; 0.5 falls into bin 8.
  CHECK(script.find("$histogram << EOD\n-0.9090909090909091,1\n") != std::string::npos);
  CHECK(script.find("\n0,3\n") != std::string::npos);
  CHECK(script.find("\n0.5454545454545454,1\n") != std::string::npos);
  CHECK_NOTHROW(plot_weights(Eigen::MatrixXd::Zero(1, 1), folder / "zero.png"));
}

TEST_CASE("a plot that cannot be made is refused by name") {
  const Folder folder("plot-errors");
  const SpikeEvents events = small();
  const auto bad = [](auto call) { return complaint<InvalidArgument>(call); };
  CHECK(bad([&] { plot_raster(events, 0, 1e-3, folder / "x.pdf"); }).find("x.pdf: it ends in neither .svg nor .png") !=
        std::string::npos);
  CHECK(bad([&] { plot_raster(events, 2, 1e-3, folder / "x.svg"); }) == "plot_raster: sample 2 of 2 events does not exist");
  CHECK(bad([&] { plot_raster(events, 0, 0, folder / "x.svg"); }) == "plot_raster: dt = 0 is outside (0, infinity)");
  CHECK(bad([&] { plot_raster(events, SpikeEvents(10, 5), 0, 1e-3, folder / "x.svg"); }) ==
        "plot_raster: a target of 10 steps x 4 units beside an output of 10 steps x 5 units");
  CHECK(bad([&] { plot_weights(Eigen::MatrixXd(0, 3), folder / "x.svg"); }) == "plot_weights: the matrix is empty");
  Eigen::MatrixXd weights = Eigen::MatrixXd::Zero(2, 2);
  weights(1, 0) = std::numeric_limits<double>::infinity();
  CHECK(bad([&] { plot_weights(weights, folder / "x.svg"); }) ==
        "plot_weights: entry (1, 0) = inf is outside (-infinity, infinity)");
  CHECK_FALSE(std::filesystem::exists(folder / "x.csv"));

  const auto fails = [](auto call) { return complaint<Error>(call); };
  CHECK(fails([&] { plot_raster(events, 0, 1e-3, folder / "missing/x.svg"); }).find("missing/x.csv") != std::string::npos);
  {
    const Path nothing("/nonexistent");
    CHECK(fails([&] { plot_raster(events, 0, 1e-3, folder / "x.svg"); }).find("x.svg: gnuplot is not installed") !=
          std::string::npos);
    CHECK(std::filesystem::exists(folder / "x.csv"));
  }
  {
    std::filesystem::create_directories(folder / "bin");
    folder.write("bin/gnuplot", "#!/bin/sh\necho no memory >&2\nexit 3\n");
    std::filesystem::permissions(folder / "bin/gnuplot", std::filesystem::perms::owner_all);
    const Path broken((folder / "bin").string());
    CHECK(fails([&] { plot_raster(events, 0, 1e-3, folder / "x.svg"); }).find("x.svg: gnuplot failed: no memory") !=
          std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder / "x.svg"));
  }
}

TEST_CASE("learning curves: loss and accuracy by epoch") {
  if (!has_gnuplot()) return;
  const Folder folder("plot-learning");
  std::vector<Epoch> one(2), two(3);
  for (int k = 0; k < 3; ++k) {
    if (k < 2) one[static_cast<std::size_t>(k)] = {.number = k + 1, .loss = 2.0 - k, .accuracy = 0.5 + 0.25 * k};
    two[static_cast<std::size_t>(k)] = {.number = k + 1, .loss = 1.5 - 0.5 * k, .validation_loss = 1.75};
  }
  plot_learning({{"it's one", one}, {"two", two}}, folder / "learning.svg");
  CHECK(content(folder / "learning.csv") ==
        "curve,epoch,loss,accuracy,validation_loss,validation_accuracy,other_loss,other_accuracy\n"
        "0,1,2,0.5,NaN,NaN,NaN,NaN\n0,2,1,0.75,NaN,NaN,NaN,NaN\n"
        "1,1,1.5,NaN,1.75,NaN,NaN,NaN\n1,2,1,NaN,1.75,NaN,NaN,NaN\n1,3,0.5,NaN,1.75,NaN,NaN,NaN\n");
  const std::string svg = content(folder / "learning.svg");
  for (const char* text : {"s one, training", "two, validation", "epoch", "loss", "accuracy"})
    CHECK(svg.find(text) != std::string::npos);
  CHECK_THROWS_WITH_AS(plot_learning({}, folder / "learning.svg"), doctest::Contains("no epoch"), InvalidArgument);
  CHECK_THROWS_WITH_AS(plot_learning({{"one", {}}}, folder / "learning.svg"), doctest::Contains("no epoch"), InvalidArgument);
}

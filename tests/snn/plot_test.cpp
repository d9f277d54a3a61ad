#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/random/philox.hpp>
#include <stoat/snn/encode.hpp>
#include <stoat/snn/network.hpp>
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

TEST_CASE("membranes: the units that spike most, with their spikes") {
  if (!has_gnuplot()) return;
  const Folder folder("plot-membranes");
  const Network network(4, 60, {Linear{8}, Lif{.activation = Activation::deterministic}, Linear{2}, LeakyReadout{}});
  const Eigen::VectorXd theta = network.initial<double>({.seed = 2, .nu = 30});
  SpikeEvents input(60, 4);
  input.add(encode::poisson(Eigen::VectorXd::Constant(4, 100), 2e-3, 60, 1));
  const std::vector<std::size_t> one{0};
  const Response<double> response = respond(network, theta, input, one, 1, 0, true);
  REQUIRE(response.membranes.size() == 1);
  const Eigen::MatrixXd& u = response.membranes[0][0];
  const Eigen::MatrixXd spikes = response.spikes[0].raster(0);
  CHECK(spikes.sum() > 5);
  CHECK(spikes == Eigen::MatrixXd((u.array() >= 1).cast<double>()));  // threshold 1, and no adaptation
  CHECK(respond(network, theta, input, one, 1).membranes.empty());

  plot_membranes(u, response.spikes[0], 0, 1, 2e-3, folder / "m.svg", {3, 0});
  const std::string csv = content(folder / "m.csv"), svg = content(folder / "m.svg");
  CHECK(csv.substr(0, csv.find('\n')) == "time_ms,membrane_3,spike_3,membrane_0,spike_0");
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 61);
  CHECK(svg.find("unit 3") != std::string::npos);
  CHECK_NOTHROW(plot_membranes(u, response.spikes[0], 0, 1, 2e-3, folder / "m.png"));
  Eigen::Index busiest = 0;
  spikes.colwise().sum().maxCoeff(&busiest);
  CHECK(content(folder / "m.csv").substr(0, 24) == "time_ms,membrane_" + std::to_string(busiest) + ",spike");
  const auto bad = [](auto call) { return complaint<InvalidArgument>(call); };
  CHECK(bad([&] { plot_membranes(u, response.spikes[0], 0, 1, 2e-3, folder / "x.svg", {8}); }) ==
        "plot_membranes: unit = 8 is outside [0, 8)");
  CHECK(bad([&] { plot_membranes(u, response.spikes[0], 1, 1, 2e-3, folder / "x.svg"); }) ==
        "plot_membranes: sample 1 of 1 does not exist");
  CHECK(bad([&] { plot_membranes(u, input, 0, 1, 2e-3, folder / "x.svg"); }) ==
        "plot_membranes: membranes of 60 steps x 8 units and spikes of 60 x 4");
  CHECK(bad([&] { plot_membranes(u, response.spikes[0], 0, 1, 0, folder / "x.svg"); }) ==
        "plot_membranes: dt = 0 is outside (0, infinity)");

  plot_weight_histograms(network, theta, folder / "w.svg");
  const std::string weights = content(folder / "w.csv");
  double total[2] = {};
  std::istringstream in(weights.substr(weights.find('\n') + 1));
  for (std::string part, w, count; std::getline(in, part, ',') && std::getline(in, w, ',') && std::getline(in, count);)
    total[std::stoi(part)] += std::stod(count);
  CHECK(total[0] == 4 * 8);
  CHECK(total[1] == 8 * 2);
  CHECK(content(folder / "w.svg").find("layer 2 weights") != std::string::npos);
  CHECK(bad([&] { plot_weight_histograms(network, Eigen::VectorXd(3), folder / "x.svg"); }) ==
        "plot_weight_histograms: the network has 48 parameters, not 3");
}

TEST_CASE("bands over seeds: mean and standard deviation of each epoch that all have") {
  if (!has_gnuplot()) return;
  const Folder folder("plot-bands");
  const auto run = [](double shift, int epochs) {
    std::vector<Epoch> list;
    for (int e = 1; e <= epochs; ++e)
      list.push_back({.number = e, .loss = 3, .accuracy = 0.25 * e, .validation_loss = shift + 1.0 / e});
    return list;
  };
  plot_learning_bands({{"it's a", {run(0, 2), run(1, 3)}}, {"b", {run(0.5, 3)}}}, folder / "b.svg");
  CHECK(content(folder / "b.csv") ==
        "band,epoch,runs,loss,loss_sd,accuracy,accuracy_sd\n"
        "0,1,2,1.5,0.7071067811865476,0.25,0\n0,2,2,1,0.7071067811865476,0.5,0\n"
        "1,1,1,1.5,0,0.25,0\n1,2,1,1,0,0.5,0\n1,3,1,0.8333333333333333,0,0.75,0\n");
  CHECK(content(folder / "b.svg").find("s a") != std::string::npos);
  CHECK_THROWS_WITH_AS(plot_learning_bands({{"a", {run(0, 2), {}}}}, folder / "b.svg"),
                       "plot_learning_bands: band 0 (a) has no epoch that all its runs have", InvalidArgument);
  CHECK_THROWS_AS(plot_learning_bands({}, folder / "b.svg"), InvalidArgument);
}

TEST_CASE("a confusion matrix and distributions") {
  if (!has_gnuplot()) return;
  const Folder folder("plot-confusion");
  plot_confusion({0, 0, 1, 2, 2, 2}, {0, 1, 1, 2, 2, 0}, 3, folder / "c.svg");
  CHECK(content(folder / "c.csv") == "1,1,0\n0,1,0\n1,0,2\n");
  CHECK(content(folder / "c.gp").find("$fractions << EOD\n0.5,0.5,0\n0,1,0\n") != std::string::npos);
  CHECK(content(folder / "c.svg").find("accuracy 0.667") != std::string::npos);
  const auto bad = [](auto call) { return complaint<InvalidArgument>(call); };
  CHECK(bad([&] { plot_confusion({0}, {3}, 3, folder / "x.svg"); }) == "plot_confusion: sample 0: label = 3 is outside [0, 3)");
  CHECK(bad([&] { plot_confusion({0, 1}, {0}, 3, folder / "x.svg"); }) == "plot_confusion: 1 predictions for 2 labels");
  CHECK(bad([&] { plot_confusion({}, {}, 3, folder / "x.svg"); }) == "plot_confusion: there are no samples");

  const double nan = std::numeric_limits<double>::quiet_NaN();
  plot_distributions({{"layer 1", {0.5, 1, nan, 0.75}}, {"silent", {nan}}, {"layer 2", {1.5}}}, "Fano factor", folder / "d.svg");
  CHECK(content(folder / "d.csv") == "series,value\n0,0.5\n0,1\n0,0.75\n2,1.5\n");
  CHECK(content(folder / "d.svg").find("layer 1: mean 0.75, n = 3") != std::string::npos);
  CHECK_NOTHROW(plot_distributions({{"constant", {2, 2}}}, "CV", folder / "d.png"));
  CHECK(bad([&] { plot_distributions({{"a", {nan}}}, "CV", folder / "x.svg"); }) == "plot_distributions: there are no numbers");
  CHECK(bad([&] {
          plot_distributions({{"a", {INFINITY}}}, "CV", folder / "x.svg");
        }) == "plot_distributions: a number of 'a' is infinite");
}

TEST_CASE("a folder of a run opens as one page") {
  const Folder folder("run-page");
  folder.write("curve a.svg", "<svg></svg>");
  folder.write("curve a.csv", "1,2\n");
  folder.write("weights.h5", "x");
  const RunPage page{.title = "Run <1>",
                     .text = "a & b",
                     .table = {{"spikes", "test"}, {"coins", "0.8"}},
                     .pictures = {{"curve a.svg", "Loss < 1"}}};
  page.write_html(folder / "");
  const std::string html = content(folder / "index.html");
  for (const char* part :
       {"<title>Run &lt;1&gt;</title>", "a &amp; b", "<th>spikes</th>", "<td>0.8</td>", "src=\"curve%20a.svg\"",
        "Loss &lt; 1 · <a href=\"curve%20a.csv\">data</a></figcaption>", "Also here: <a href=\"weights.h5\">weights.h5</a></p>"})
    CHECK_MESSAGE(html.find(part) != std::string::npos, part);
  const std::string missing = "cannot write " + (folder / "index.html").string() + ": there is no picture no.png";
  CHECK_THROWS_WITH_AS((RunPage{.title = "x", .pictures = {{"no.png", ""}}}.write_html(folder / "")), missing.c_str(), Error);
}

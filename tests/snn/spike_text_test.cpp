#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/snn/encode.hpp>
#include <stoat/snn/spike_text.hpp>

#include "files.hpp"

using namespace stoat;
using namespace stoat::snn;

TEST_CASE("a spike a line, in any order, with comments") {
  const Folder folder("spike-text");
  Eigen::MatrixXd expected = Eigen::MatrixXd::Zero(5, 4);  // steps x units
  expected(0, 3) = expected(2, 0) = expected(4, 1) = 1;
  for (const char* text : {"0.0005 3\n0.0025 0\n0.0049 1\n", "# time unit\n0.0049\t1 # late\r\n\n  0 3\n25e-4 0\n0.0021 0",
                           "0.0005 3\n0.0025 0\n0.0049 1\n0.005 2\n1e9 2"})
    CHECK(read_spikes(folder.write("a.txt", text), 4, 1e-3, 5).raster(0) == expected);
  CHECK(read_spikes(folder.write("a.txt", ""), 4, 1e-3, 5).spikes() == 0);
}

TEST_CASE("a sample is read as it was written") {
  const Folder folder("spike-text-write");
  SpikeEvents events(349, 70);
  events.add(std::vector<snn::Spike>{});
  events.add(encode::poisson(Eigen::VectorXd::Constant(70, 100), 2e-3, 349, 1));
  CHECK(events.spikes(1) > 1000);
  write_spikes(folder / "a.txt", events, 2e-3, 1);
  CHECK(read_spikes(folder / "a.txt", 70, 2e-3, 349).raster(0) == events.raster(1));
  CHECK_THROWS_WITH_AS(write_spikes(folder / "a.txt", events, 2e-3, 2), "write_spikes: sample 2 of 2 does not exist",
                       InvalidArgument);
  CHECK_THROWS_WITH_AS(write_spikes(folder / "a.txt", events, 0), "write_spikes: dt = 0 is outside (0, infinity)", InvalidArgument);
  CHECK_THROWS_AS(write_spikes(folder / "missing/a.txt", events, 2e-3), Error);
}

TEST_CASE("a line that makes no sense is named") {
  const Folder folder("spike-text-bad");
  const auto refuses = [&](const std::string& text, const std::string& why) {
    const auto path = folder.write("bad.txt", "# header\n0.1 0\n" + text);
    const std::string message = "cannot read " + path.string() + ": line 3: " + why;
    CHECK_THROWS_WITH_AS(read_spikes(path, 4, 1e-3, 5), message.c_str(), Error);
  };
  refuses("x 1", "the time 'x' is no number");
  refuses("0.1", "the unit is missing");
  refuses("0.1 1.5", "the unit '1.5' is no integer");
  refuses("0.1 99999999999", "the unit '99999999999' is no integer");
  refuses("0.1 1 2", "'2' follows the unit");
  refuses("-0.1 1", "time = -0.1 is outside [0, infinity)");
  refuses("nan 1", "time = nan is outside [0, infinity)");
  refuses("inf 1", "time = inf is outside [0, infinity)");
  refuses("0.1 4", "unit = 4 is outside [0, 4)");
  refuses("0.1 -1", "unit = -1 is outside [0, 4)");
  refuses("\x89HDF" + std::string(100, 'y') + " 1", "the time '\x89HDF" + std::string(36, 'y') + "...' is no number");
  CHECK_THROWS_AS(read_spikes(folder / "none.txt", 4, 1e-3, 5), Error);
  CHECK_THROWS_AS(read_spikes(folder / "bad.txt", 4, 0, 5), InvalidArgument);
  CHECK_THROWS_AS(read_spikes(folder / "bad.txt", 0, 1e-3, 5), InvalidArgument);
}

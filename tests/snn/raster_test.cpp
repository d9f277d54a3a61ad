#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/snn/encode.hpp>
#include <stoat/snn/raster.hpp>

#include "files.hpp"

using namespace stoat;
using namespace stoat::snn;

TEST_CASE("a plain picture: columns are steps, rows are units, black is a spike") {
  const Folder folder("pbm-plain");
  Eigen::MatrixXd expected(3, 2);  // steps x units
  expected << 1, 0, 0, 0, 0, 1;
  for (const char* text : {"P1\n3 2\n1 0 0\n0 0 1\n", "P1 3 2 100001",
                           "P1 # a comment\n# and one more\n3#c\n2 1 0 0 # row\n 001 ignored", "P1\r\n3\t2\r\n100\r\n001\r\n"}) {
    const SpikeEvents events = read_pbm(folder.write("a.pbm", text));
    CHECK(events.samples() == 1);
    CHECK(events.raster(0) == expected);
  }
}

TEST_CASE("a raw picture: eight pixels a byte, the first in the highest bit, rows padded") {
  const Folder folder("pbm-raw");
  // 10 x 2: row 0 has columns 0, 7 and 9, row 1 column 8; the padding is set in row 1.
  const std::string pixels = {'\x81', '\x40', '\x00', '\xbf'};
  Eigen::MatrixXd expected = Eigen::MatrixXd::Zero(10, 2);
  expected(0, 0) = expected(7, 0) = expected(9, 0) = expected(8, 1) = 1;
  for (const std::string header : {"P4\n10 2\n", "P4 # c\n10 2 ", "P4\n10 # c\n 2# c\n"})
    CHECK(read_pbm(folder.write("a.pbm", header + pixels)).raster(0) == expected);
  // A first byte that looks like a blank or a comment is a pixel all the same.
  CHECK(read_pbm(folder.write("a.pbm", "P4 8 2\n #")).spikes() == 1 + 3);
}

TEST_CASE("a raster is written as it was read") {
  const Folder folder("pbm-write");
  for (const int steps : {1, 8, 9, 189}) {
    SpikeEvents events(steps, 20);
    events.add(std::vector<Spike>{});
    events.add(encode::poisson(Eigen::VectorXd::Constant(20, 300), 1e-3, steps, 1));
    write_pbm(folder / "a.pbm", events, 1);
    CHECK(read_pbm(folder / "a.pbm").raster(0) == events.raster(1));
  }
  SpikeEvents events(3, 2);
  events.add(std::vector<Spike>{{0, 0}, {2, 1}});
  write_pbm(folder / "b.pbm", events);
  CHECK(content(folder / "b.pbm") == std::string("P4\n3 2\n\x80\x20"));
  CHECK_THROWS_WITH_AS(write_pbm(folder / "b.pbm", events, 1), "write_pbm: sample 1 of 1 does not exist", InvalidArgument);
  CHECK_THROWS_AS(write_pbm(folder / "missing/b.pbm", events), Error);
}

TEST_CASE("a picture that cannot be read is refused with its name and the reason") {
  const Folder folder("pbm-bad");
  const auto refuses = [&](const std::string& text, const std::string& why) {
    const auto path = folder.write("bad.pbm", text);
    const std::string message = "cannot read " + path.string() + ": " + why;
    CHECK_THROWS_WITH_AS(read_pbm(path), message.c_str(), Error);
  };
  refuses("", "it is no PBM file: it does not begin with P1 or P4");
  refuses("P5\n3 2\n255\n", "it is no PBM file: it does not begin with P1 or P4");
  refuses("P13 2\n", "no blank precedes the width");
  refuses("P1", "its width is missing");
  refuses("P1\n3", "its height is missing");
  refuses("P1\n3 x\n", "its height is missing");
  refuses("P1\n3x2\n000000", "no blank precedes the height");
  refuses("P1\n0 2\n", "its width = 0 is outside [1, 2^31)");
  refuses("P1\n3 -2\n", "its height = -2 is outside [1, 2^31)");
  refuses("P4\n99999999999 2\n", "its width = 99999999999 is outside [1, 2^31)");
  refuses("P4\n2147483647 2147483647\nx",
          "it is truncated: 2147483647 x 2147483647 pixels take 268435456 x 2147483647 bytes, and 1 are left");
  refuses("P1\n2147483647 2147483647\n0",
          "it is truncated: 2147483647 x 2147483647 pixels take 2147483647 x 2147483647 bytes, and 2 are left");
  refuses("P4\n10 2\nabc", "it is truncated: 10 x 2 pixels take 2 x 2 bytes, and 3 are left");
  refuses("P4\n10 2", "it is truncated: 10 x 2 pixels take 2 x 2 bytes, and 0 are left");
  refuses("P4\n10 2# no end of line", "it is truncated: 10 x 2 pixels take 2 x 2 bytes, and 0 are left");
  refuses("P4\n10 2x1234", "no blank follows the height");
  refuses("P1\n3 2\n1 0 0 0 0\n", "it is truncated: it ends before pixel (2, 1)");
  refuses("P1\n3 2\n1 0 0 2 0 0\n", "pixel (0, 1) is '2', not 0 or 1");

  const std::string missing = "cannot read " + (folder / "none.pbm").string() + ": No such file or directory";
  CHECK_THROWS_WITH_AS(read_pbm(folder / "none.pbm"), missing.c_str(), Error);
  const std::string directory = "cannot read " + (folder / "").string() + ": Is a directory";
  CHECK_THROWS_WITH_AS(read_pbm(folder / ""), directory.c_str(), Error);
}

TEST_CASE("shades of grey: dark pixels are spikes") {
  const Folder folder("pgm");
  Eigen::MatrixXd expected(3, 2);  // steps x units
  expected << 1, 0, 0, 0, 0, 1;
  for (const std::string text : {"P2\n3 2\n10 4 5 9 10 7 0", "P2 # grey\n3 2 10\n4#c\n5 9 10\n7 0 ignored",
                                 "P5\n3 2 255\n\x7f\x80\xff\xff\x90\x01", "P2 3 2 65535 0 65535 65535 65535 65535 32767"})
    CHECK(read_pgm(folder.write("a.pgm", text)).raster(0) == expected);
  const std::string two_bytes("\x01\xf3\x01\xf4\x03\xe8\x03\xe8\x03\xe8\x00\x00", 12);
  CHECK(read_pgm(folder.write("a.pgm", "P5 3 2 1000\n" + two_bytes)).raster(0) == expected);
  CHECK(read_pgm(folder.write("a.pgm", "P2 3 1 10 0 5 9"), 1).spikes() == 3);
  CHECK(read_pgm(folder / "a.pgm", 0.2).spikes() == 1);
  CHECK_THROWS_WITH_AS(read_pgm(folder / "a.pgm", 0), "read_pgm: threshold = 0 is outside (0, 1]", InvalidArgument);

  const auto refuses = [&](const std::string& text, const std::string& why) {
    const auto path = folder.write("bad.pgm", text);
    const std::string message = "cannot read " + path.string() + ": " + why;
    CHECK_THROWS_WITH_AS(read_pgm(path), message.c_str(), Error);
  };
  refuses("P1\n3 2\n1 0 0 0 0 1", "it is no PGM file: it does not begin with P2 or P5");
  refuses("P2\n3 2\n", "its largest value is missing");
  refuses("P2\n3 2 65536\n0", "its largest value = 65536 is outside [1, 65535]");
  refuses("P2\n3 2 9\n0 1 2 3 4", "it is truncated: it ends before pixel (2, 1)");
  refuses("P2\n3 2 9\n0 1 2 3 x 1", "pixel (1, 1) is no number of a shade");
  refuses("P2\n3 2 9\n0 1 2 3 -4 1", "pixel (1, 1) is no number of a shade");
  refuses("P2\n3 2 9\n0 1 2 3 4x 1", "pixel (1, 1) is no number of a shade");
  refuses("P2\n3 2 9\n0 1 2 10 4 1", "pixel (0, 1) is 10, and the largest value 9");
  refuses("P5\n3 2 255x", "no blank follows the largest value");
  refuses("P5\n3 2 256\n01234567890", "it is truncated: 3 x 2 pixels take 6 x 2 bytes, and 11 are left");
  refuses("P5\n2147483647 2147483647 255\nx",
          "it is truncated: 2147483647 x 2147483647 pixels take 2147483647 x 2147483647 bytes, and 1 are left");
}

#include <doctest/doctest.h>

#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <stoat/error.hpp>
#include <stoat/hdf5/spike_file.hpp>
#include <stoat/random/philox.hpp>

#include "files.hpp"
#include "raw.hpp"

using namespace stoat;
using namespace stoat::snn;

namespace {

const SpikeFileOptions small{.units = 5, .dt = 0.01, .steps = 10};

/// A good file of three samples: the second has no spikes.
void write_good(const RawFile& file) {
  file.group("spikes");
  file.times({{0.005, 0.031, 0.031, 0.2}, {}, {0, 0.099}});
  file.units({{4, 0, 0, 1}, {}, {3, 2}});
  file.labels({1, 0, 6});
}

/// The message of the error that reading all of a file makes.
std::string complaint(const std::filesystem::path& path, const SpikeFileOptions& options = small) {
  try {
    SpikeFile(path, options).read();
  } catch (const Error& error) {
    const std::string message = error.what(), begin = "spike file " + path.string() + ": ";
    CHECK(message.substr(0, begin.size()) == begin);
    return message.substr(std::min(message.size(), begin.size()));
  }
  return "no complaint";
}

}  // namespace

TEST_CASE("a spike file is read by sample, as it is and on a grid") {
  const Folder folder("shd");
  { write_good(RawFile(folder / "a.h5")); }
  const SpikeFile file(folder / "a.h5", small);
  CHECK(file.size() == 3);
  CHECK(file.classes() == 7);
  CHECK(file.labels() == std::vector<int>{1, 0, 6});
  const SpikeTrains first = file.trains(0);
  CHECK(first.units == std::vector<int>{4, 0, 0, 1});
  CHECK(first.times[1] == double(0.031f));
  CHECK(file.trains(1).times.empty());

  const std::vector<std::size_t> order{2, 0, 2};
  const Dataset data = file.read(order);
  CHECK(data.labels == std::vector<int>{6, 1, 6});
  CHECK(data.classes == 7);
  Eigen::MatrixXd expected = Eigen::MatrixXd::Zero(10, 5);
  expected(0, 4) = expected(3, 0) = 1;  // two in one bin are one, the one at 0.2 s is after the end
  CHECK(data.inputs.raster(1) == expected);
  CHECK(data.inputs.raster(0) == data.inputs.raster(2));
  CHECK(data.inputs.spikes(0) == 2);
  CHECK(file.read().size() == 3);
  CHECK_THROWS_WITH_AS(file.trains(3), "SpikeFile: sample 3 of 3 does not exist", InvalidArgument);
  CHECK(SpikeFile(folder / "a.h5", {.units = 5, .classes = 9}).classes() == 9);
}

TEST_CASE("widths and byte orders of numbers do not matter") {
  const Folder folder("shd-widths");
  for (const hid_t times : {H5T_IEEE_F32LE, H5T_IEEE_F64BE, H5T_IEEE_F64LE})
    for (const hid_t units : {H5T_STD_U8LE, H5T_STD_I16BE, H5T_STD_U32LE, H5T_STD_I64LE}) {
      {
        const RawFile file(folder / "a.h5");
        file.group("spikes");
        file.times({{0.25, 0.5}}, times);
        file.units({{4, 3}}, units);
        file.labels({0});
      }
      const SpikeTrains trains = SpikeFile(folder / "a.h5", small).trains(0);
      CHECK(trains.times == std::vector<double>{0.25, 0.5});
      CHECK(trains.units == std::vector<int>{4, 3});
    }
}

TEST_CASE("what the writer writes is read with the same bits, and by h5py") {
  const Folder folder("shd-writer");
  Generator words({5, 0, Purpose::data});
  std::vector<SpikeTrains> samples(150);  // more than wait in memory
  for (std::size_t k = 0; k < samples.size(); ++k) {
    double time = 0;
    for (std::size_t i = 0; i < k % 7; ++i) {
      samples[k].times.push_back(time += words.uniform());
      samples[k].units.push_back(static_cast<int>(70'000 * words.uniform()));
    }
  }
  {
    SpikeFileWriter writer(folder / "a.h5", 70'000);
    for (std::size_t k = 0; k < samples.size(); ++k) writer.add(samples[k], static_cast<int>(k % 11));
    CHECK_FALSE(std::filesystem::exists(folder / "a.h5"));
    writer.close();
  }
  const SpikeFile file(folder / "a.h5", {.units = 70'000});
  REQUIRE(file.size() == samples.size());
  for (std::size_t k = 0; k < samples.size(); ++k) {
    CHECK(file.trains(k).times == samples[k].times);
    CHECK(file.trains(k).units == samples[k].units);
    CHECK(file.labels()[k] == static_cast<int>(k % 11));
  }
  if (has_h5py()) {
    CHECK(python("print(sorted(f), sorted(f['spikes']), len(f['labels']), f['labels'][12])\n"
                 "print([len(r) for r in f['spikes/units'][:8]], f['spikes/times'][3].dtype)\n",
                 folder / "a.h5") == "['extra', 'labels', 'spikes'] ['times', 'units'] 150 1\n[0, 1, 2, 3, 4, 5, 6, 0] float64\n");
  }

  SpikeFileWriter writer(folder / "b.h5", 3);
  CHECK_THROWS_WITH_AS(SpikeFileWriter(folder / "b.h5", 3), doctest::Contains("somebody else is writing it"), Error);
  const auto bad = [&](const SpikeTrains& trains, int label, const char* why) {
    CHECK_THROWS_WITH_AS(writer.add(trains, label), why, InvalidArgument);
  };
  bad({{0.1}, {}}, 0, "SpikeFileWriter: 1 times for 0 units");
  bad({{0.1, 0.05}, {0, 1}}, 0, "SpikeFileWriter: spike 1: time = 0.05 is before that of the spike above, 0.1");
  bad({{-1}, {0}}, 0, "SpikeFileWriter: spike 0: time = -1 is outside [0, infinity)");
  bad({{0}, {3}}, 0, "SpikeFileWriter: spike 0: unit = 3 is outside [0, 3)");
  bad({{0}, {0}}, -1, "SpikeFileWriter: label = -1 is outside [0, infinity)");
  writer.add({{0.5}, {2}}, 4);
  writer.close();
  CHECK(SpikeFile(folder / "b.h5", small).size() == 1);
  CHECK_THROWS_AS(writer.add({}, 0), InvalidArgument);
  CHECK_THROWS_WITH_AS(SpikeFileWriter(folder / "none/b.h5", 3), doctest::Contains("its folder does not exist"), Error);
  CHECK(std::distance(std::filesystem::directory_iterator(folder / ""), {}) <= 3);  // no temporary is left
}

TEST_CASE("data on a grid come back as they were") {
  const Folder folder("shd-grid");
  Dataset data{.inputs = SpikeEvents(349, 700), .labels = {}, .classes = 20};
  Generator words({6, 0, Purpose::data});
  for (int sample = 0; sample < 3; ++sample) {
    std::vector<snn::Spike> spikes;
    for (int i = 0; i < 3000; ++i)
      spikes.push_back({static_cast<int>(349 * words.uniform()), static_cast<int>(700 * words.uniform())});
    data.inputs.add(spikes);
    data.labels.push_back(sample);
  }
  write_spike_file(folder / "a.h5", data, 0.002);
  const Dataset read = SpikeFile(folder / "a.h5", {.classes = 20}).read();
  for (std::size_t k = 0; k < 3; ++k) CHECK(read.inputs.raster(k) == data.inputs.raster(k));
  CHECK(read.labels == data.labels);
  data.labels.clear();
  CHECK_THROWS_WITH_AS(write_spike_file(folder / "a.h5", data, 0.002), "write_spike_file: the data have no labels",
                       InvalidArgument);
}

TEST_CASE("a file of h5py with half-precision times, as the spoken digits have them") {
  if (!has_h5py()) return;
  const Folder folder("shd-h5py");
  python(
      "for name, dtype, rows in (('times', np.float16, [[.25, .5], [.125]]), ('units', np.uint16, [[699, 1], [2]])):\n"
      "  d = f.create_dataset('spikes/' + name, (2,), dtype=h5py.vlen_dtype(dtype), chunks=(1,), compression='gzip')\n"
      "  for i, row in enumerate(rows): d[i] = np.array(row, dtype=dtype)\n"
      "f['labels'] = np.array([19, 0], dtype=np.uint16)\n"
      "f['extra/keys'] = np.array([b'zero', b'one'])\n",
      folder / "a.h5");
  const SpikeFile file(folder / "a.h5");
  CHECK(file.classes() == 20);
  CHECK(file.trains(0).times == std::vector<double>{0.25, 0.5});
  CHECK(file.trains(0).units == std::vector<int>{699, 1});
  CHECK(file.trains(1).units == std::vector<int>{2});
  CHECK(file.read().inputs.at(0, 125)[0] == 699);
}

TEST_CASE("bad options are refused") {
  const Folder folder("shd-options");
  const auto bad = [&](const SpikeFileOptions& options, const char* why) {
    CHECK_THROWS_WITH_AS(SpikeFile(folder / "none.h5", options), why, InvalidArgument);
  };
  bad({.units = 0}, "SpikeFile: units = 0 is outside [1, infinity)");
  bad({.dt = 0}, "SpikeFile: dt = 0 is outside (0, infinity)");
  bad({.steps = 0}, "SpikeFile: steps = 0 is outside [1, infinity)");
  bad({.classes = -1}, "SpikeFile: classes = -1 is outside [0, infinity)");
}

TEST_CASE("what is no HDF5 file, or none any more, is refused") {
  const Folder folder("shd-text");
  CHECK(complaint(folder / "none.h5") == "No such file or directory");
  CHECK(complaint(folder / "") == "it is a directory");
  CHECK(complaint(folder.write("empty.h5", "")) == "it is empty");
  CHECK(complaint(folder.write("text.h5", "time unit\n0.1 3\n")) == "it is no HDF5 file");
  { write_good(RawFile(folder / "good.h5")); }
  CHECK(complaint(folder / "good.h5") == "no complaint");
  const std::string good = content(folder / "good.h5");
  for (const std::size_t size : {good.size() - 1, good.size() / 2, std::size_t{100}})
    CHECK(complaint(folder.write("cut.h5", good.substr(0, size))).substr(0, 40) == "it is damaged (HDF5 says: truncated file");
}

TEST_CASE("what is missing or of a wrong type is named") {
  const Folder folder("shd-types");
  const auto refuses = [&](const std::string& why, auto make) {
    {
      const RawFile file(folder / "bad.h5");
      make(file);
    }
    CHECK(complaint(folder / "bad.h5").substr(0, why.size()) == why);
  };
  const std::vector<std::vector<double>> times{{0.1}, {0.2}};
  const std::vector<std::vector<int>> units{{1}, {2}};
  const double numbers[4] = {};
  refuses("spikes: the group is missing", [&](const RawFile& f) { f.labels({0}); });
  refuses("spikes: it is no group", [&](const RawFile& f) { f.write("spikes", {4}, H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE, numbers); });
  refuses("spikes/times: the dataset is missing", [&](const RawFile& f) { f.group("spikes"), f.units(units), f.labels({0, 1}); });
  refuses("spikes/units: the dataset is missing", [&](const RawFile& f) { f.group("spikes"), f.times(times), f.labels({0, 1}); });
  refuses("labels: the dataset is missing", [&](const RawFile& f) { f.group("spikes"), f.times(times), f.units(units); });
  refuses("spikes/times: it is no dataset", [&](const RawFile& f) { f.group("spikes"), f.group("spikes/times"); });
  refuses("spikes/times: its rows are no lists of variable length", [&](const RawFile& f) {
    f.group("spikes");
    f.write("spikes/times", {2, 2}, H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE, numbers);
  });
  refuses("spikes/units: its rows do not hold integers", [&](const RawFile& f) {
    f.group("spikes"), f.times(times), f.units(units, H5T_IEEE_F64LE), f.labels({0, 1});
  });
  refuses("labels: it does not hold integers", [&](const RawFile& f) {
    f.group("spikes"), f.times(times), f.units(units);
    f.write("labels", {2}, H5T_IEEE_F32LE, H5T_NATIVE_DOUBLE, numbers);
  });
  refuses("labels: its shape is 2 x 1, not one label a sample", [&](const RawFile& f) {
    f.group("spikes"), f.times(times), f.units(units);
    f.write("labels", {2, 1}, H5T_STD_I32LE, H5T_NATIVE_DOUBLE, numbers);
  });
  refuses("its datasets disagree: 2 rows of spikes/times, 1 of spikes/units and 2 of labels", [&](const RawFile& f) {
    f.group("spikes"), f.times(times), f.units({{1}}), f.labels({0, 1});
  });
  refuses("spikes/times: 1000000000000 rows are more than a file of", [&](const RawFile& f) {
    f.group("spikes"), f.units({{1}}), f.labels({0});
    const hid_t list = H5Tvlen_create(H5T_IEEE_F32LE);
    f.write("spikes/times", {1'000'000'000'000}, list, list, nullptr);
    H5Tclose(list);
  });
  const hsize_t many = 2000;
  const std::vector<std::vector<double>> silent(many);
  refuses("labels: 2000 entries were announced, and 0 bytes are there", [&](const RawFile& f) {
    f.group("spikes"), f.times(silent), f.units(std::vector<std::vector<int>>(many));
    f.write("labels", {many}, H5T_STD_I32LE, H5T_NATIVE_DOUBLE, nullptr);
  });
}

TEST_CASE("pieces of a dataset without entries, or of another rank, are refused before HDF5 divides by them") {
  const Folder folder("shd-pieces");
  {
    SpikeFileWriter writer(folder / "good.h5", 5);
    writer.add({{0.1}, {1}}, 0);
    writer.close();
  }
  const std::string good = content(folder / "good.h5");
  // A layout message: version 3, chunked, two numbers, the address of eight bytes, 64 entries of `size` bytes.
  const auto layout = [&](char size) {
    const std::string numbers = {64, 0, 0, 0, size, 0, 0, 0};
    for (std::size_t at = good.find("\3\2\2"); at != std::string::npos; at = good.find("\3\2\2", at + 1))
      if (good.substr(at + 11, 8) == numbers) return at;
    return std::string::npos;
  };
  const auto refuses = [&](const std::string& why, std::size_t at, char byte) {
    REQUIRE(at < good.size());
    std::string bad = good;
    bad[at] = byte;
    CHECK(complaint(folder.write("bad.h5", bad)) == why);
  };
  refuses("labels: it is damaged: its pieces have no entries", layout(4) + 11, 0);
  refuses("spikes/times: it is damaged: its pieces have no entries", layout(16) + 11, 0);
  refuses("spikes/times: it is damaged: its pieces have no entries", layout(16) + 15, 0);
  // As an old version of the message, whose numbers are elsewhere, it has a zero, too; HDF5 1.10 does not look for it there.
  refuses("labels: it is damaged: its pieces have no entries", layout(4), 1);
  refuses("labels: it is damaged: its pieces have another rank", layout(4) + 2, 1);
  refuses("labels: it is damaged: its pieces are too large", layout(4) + 14, '\x7f');
}

TEST_CASE("both kinds of headers of objects are read, behind a block of the user's too; links to other files are not followed") {
  if (!has_h5py()) return;
  const Folder folder("shd-headers");
  const std::string script =
      "for path in ('new.h5', 'shifted.h5'):\n"
      "  f = h5py.File(sys.argv[1] + path, 'w', libver='latest' if path == 'new.h5' else 'earliest',\n"
      "                userblock_size=512 if path == 'shifted.h5' else 0)\n"
      "  for name, dtype, rows in (('times', np.float32, [[.25, .5], [.125]]), ('units', np.uint16, [[4, 1], [2]])):\n"
      "    d = f.create_dataset('spikes/' + name, (2,), dtype=h5py.vlen_dtype(dtype), track_times=True, maxshape=(None,))\n"
      "    for i, row in enumerate(rows): d[i] = np.array(row, dtype=dtype)\n"
      "    for i in range(40): d.attrs['attribute %d' % i] = 'so many that the header goes on elsewhere'\n"
      "  f['labels'] = np.array([19, 0], dtype=np.uint16)\n";
  python(script, folder / "a.h5");
  CHECK(SpikeFile(folder / "a.h5new.h5", small).trains(1).units == std::vector<int>{2});
  CHECK(SpikeFile(folder / "a.h5new.h5", small).labels()[0] == 19);
  const std::string shifted = complaint(folder / "a.h5shifted.h5");
  CHECK(shifted == "spikes/times: entries of variable length are not read from this layout");
  std::filesystem::rename(folder / "a.h5new.h5", folder / "b.h5");
  python("f['labels'] = h5py.ExternalLink('b.h5', '/labels'); f['spikes'] = h5py.ExternalLink('b.h5', '/spikes')\n",
         folder / "c.h5");
  CHECK(complaint(folder / "c.h5") == "spikes: it is in another file");
}

TEST_CASE("a row that makes no sense is named, with its number") {
  const Folder folder("shd-rows");
  const auto refuses = [&](const std::string& why, const std::vector<double>& times, const std::vector<int>& units, int label = 1) {
    {
      const RawFile file(folder / "bad.h5");
      file.group("spikes");
      file.times({{0.1}, times}, H5T_IEEE_F64LE);
      file.units({{1}, units}, H5T_STD_I32LE);
      file.labels({0, label});
    }
    CHECK(complaint(folder / "bad.h5", {.units = 5, .classes = 2}) == why);
  };
  refuses("no complaint", {0.5, 0.5}, {4, 4});
  refuses("spikes, row 1: 2 times for 1 units", {0.5, 0.5}, {4});
  refuses("spikes/times, row 1: spike 1: time = 0.4 is before that of the spike above, 0.5", {0.5, 0.4}, {4, 4});
  refuses("spikes/times, row 1: spike 0: time = -0.1 is outside [0, infinity)", {-0.1}, {4});
  refuses("spikes/times, row 1: spike 0: time = nan is outside [0, infinity)", {std::numeric_limits<double>::quiet_NaN()}, {4});
  refuses("spikes/times, row 1: spike 1: time = inf is outside [0, infinity)", {0, std::numeric_limits<double>::infinity()},
          {4, 4});
  refuses("spikes/units, row 1: spike 0: unit = 5 is outside [0, 5)", {0.5}, {5});
  refuses("spikes/units, row 1: spike 0: unit = -1 is outside [0, 5)", {0.5}, {-1});
  refuses("labels, row 1: label = 2 is outside [0, 2)", {0.5}, {4}, 2);
  // Other samples of the file can be read all the same.
  const SpikeFile file(folder / "bad.h5", {.units = 5});
  CHECK(file.trains(0).units == std::vector<int>{1});
}

#include <stoat/hdf5/spike_file.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

#include <stoat/driver/checkpoint_file.hpp>
#include <stoat/snn/encode.hpp>

#include "file.hpp"
#include "variable_length.hpp"

namespace stoat::snn {
namespace {

namespace fs = std::filesystem;
using hdf5::Handle, hdf5::Session, hdf5::Shape, hdf5::text_of;

constexpr const char* times_name = "spikes/times";
constexpr const char* units_name = "spikes/units";

/// What is wrong with a spike; empty if nothing is.
std::string problem(const SpikeTrains& trains, std::size_t i, int units, bool& of_unit) {
  const double time = trains.times[i];
  of_unit = false;
  if (!(time >= 0 && std::isfinite(time))) return outside("time", time, "[0, infinity)");
  if (i > 0 && time < trains.times[i - 1]) {
    std::ostringstream text;
    text << "time = " << time << " is before that of the spike above, " << trains.times[i - 1];
    return text.str();
  }
  of_unit = true;
  if (trains.units[i] < 0 || trains.units[i] >= units)
    return outside("unit", trains.units[i], "[0, " + std::to_string(units) + ")");
  return {};
}

void check(const SpikeFileOptions& o) {
  const auto fail = [](const std::string& what) { throw InvalidArgument("SpikeFile: " + what); };
  if (o.units < 1) fail(outside("units", o.units, "[1, infinity)"));
  if (o.steps < 1) fail(outside("steps", o.steps, "[1, infinity)"));
  if (!(o.dt > 0 && std::isfinite(o.dt))) fail(outside("dt", o.dt, "(0, infinity)"));
  if (o.classes < 0) fail(outside("classes", o.classes, "[0, infinity)"));
}

/// A dataset of lists of variable length.
class Lists {
 public:
  Lists(const hdf5::Reader& file, const char* name, H5T_class_t type, H5T_class_t or_type, const char* kind, hid_t native)
      : file_(file), name_(name) {
    const Handle set = file.dataset(name), stored(H5Dget_type(set), H5Tclose);
    if (H5Tget_class(stored) != H5T_VLEN) file.fail(name, "its rows are no lists of variable length");
    const Handle entry(H5Tget_super(stored), H5Tclose);
    const H5T_class_t found = H5Tget_class(entry);
    if (found != type && found != or_type) file.fail(name, std::string("its rows do not hold ") + kind);
    item_ = std::max<std::size_t>(1, H5Tget_size(entry));
    entry_ = Handle(H5Tcopy(entry), H5Tclose), native_ = native;
    const Shape shape = file.shape(name);
    if (shape.size() != 1) file.fail(name, "its shape is " + text_of(shape) + ", not one row a sample");
    rows_ = shape[0];
    // A row takes more than a byte.
    if (rows_ > file.bytes())
      file.fail(name, std::to_string(rows_) + " rows are more than a file of " + std::to_string(file.bytes()) + " bytes can hold");
    if (entry_ < 0) file.fail(name);
    lists_.emplace(file, name, set, shape);
  }

  hsize_t rows() const { return rows_; }

  template <class T>
  std::vector<T> row(std::size_t i) {
    const std::string where = std::string(name_) + ", row " + std::to_string(i);
    std::string bytes = lists_->bytes(i, item_, where);
    const std::size_t count = bytes.size() / item_;
    bytes.resize(count * std::max(item_, sizeof(T)));  // converted in place
    if (H5Tconvert(entry_, native_, count, bytes.data(), nullptr, H5P_DEFAULT) < 0) file_.fail(where);
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), bytes.data(), count * sizeof(T));
    return values;
  }

 private:
  const hdf5::Reader& file_;
  const char* name_;
  Handle entry_;
  hid_t native_ = H5I_INVALID_HID;
  std::size_t item_ = 1;
  std::optional<hdf5::VariableLength> lists_;
  hsize_t rows_ = 0;
};

}  // namespace

struct SpikeFile::File {
  hdf5::Reader reader;
  std::optional<Lists> times, units;
  explicit File(fs::path path) : reader("spike file", std::move(path)) {
    reader.require_group("spikes");
    times.emplace(reader, times_name, H5T_FLOAT, H5T_INTEGER, "numbers", H5T_NATIVE_DOUBLE);
    units.emplace(reader, units_name, H5T_INTEGER, H5T_INTEGER, "integers", H5T_NATIVE_INT64);
  }
  ~File() {
    const Session session;
    times.reset(), units.reset();
  }
};

SpikeFile::SpikeFile(fs::path path, const SpikeFileOptions& options) : options_(options) {
  check(options);
  const Session session;
  file_ = std::make_unique<File>(std::move(path));
  const hdf5::Reader& reader = file_->reader;
  const Shape shape = reader.shape("labels");
  if (shape.size() != 1) reader.fail("labels", "its shape is " + text_of(shape) + ", not one label a sample");
  if (file_->times->rows() != file_->units->rows() || file_->times->rows() != shape[0])
    reader.fail("", "its datasets disagree: " + std::to_string(file_->times->rows()) + " rows of " + times_name + ", " +
                        std::to_string(file_->units->rows()) + " of " + units_name + " and " + std::to_string(shape[0]) +
                        " of labels");
  const int limit = options.classes > 0 ? options.classes : std::numeric_limits<int>::max();
  for (const std::int64_t label : reader.integers("labels")) {
    if (label < 0 || label >= limit)
      reader.fail("labels, row " + std::to_string(labels_.size()),
                  outside("label", static_cast<double>(label),
                          options.classes > 0 ? "[0, " + std::to_string(limit) + ")" : "[0, 2^31 - 1)"));
    labels_.push_back(static_cast<int>(label));
    classes_ = std::max(classes_, labels_.back() + 1);
  }
  if (options.classes > 0) classes_ = options.classes;
}
SpikeFile::~SpikeFile() = default;
SpikeFile::SpikeFile(SpikeFile&&) noexcept = default;
SpikeFile& SpikeFile::operator=(SpikeFile&&) noexcept = default;

SpikeTrains SpikeFile::trains(std::size_t sample) const {
  if (sample >= size())
    throw InvalidArgument("SpikeFile: sample " + std::to_string(sample) + " of " + std::to_string(size()) + " does not exist");
  const Session session;
  const std::string row = ", row " + std::to_string(sample);
  SpikeTrains trains;
  trains.times = file_->times->row<double>(sample);
  const std::vector<std::int64_t> units = file_->units->row<std::int64_t>(sample);
  if (trains.times.size() != units.size())
    file_->reader.fail("spikes" + row,
                       std::to_string(trains.times.size()) + " times for " + std::to_string(units.size()) + " units");
  trains.units.reserve(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    // What does not fit an int is out of range in any case.
    trains.units.push_back(units[i] == static_cast<int>(units[i]) ? static_cast<int>(units[i]) : -1);
    bool of_unit = false;
    if (const std::string why = problem(trains, i, options_.units, of_unit); !why.empty())
      file_->reader.fail((of_unit ? units_name : times_name) + row, "spike " + std::to_string(i) + ": " + why);
  }
  return trains;
}

Dataset SpikeFile::read(std::span<const std::size_t> samples) const {
  Dataset data{SpikeEvents(options_.steps, options_.units), {}, classes_, {}};
  for (const std::size_t sample : samples) {
    const SpikeTrains trains = this->trains(sample);
    data.inputs.add(encode::bin(trains.times, trains.units, options_.units, options_.dt, options_.steps));
    data.labels.push_back(labels_[sample]);
  }
  return data;
}
Dataset SpikeFile::read() const {
  std::vector<std::size_t> all(size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return read(all);
}

std::string SpikeFile::identity() const {
  std::ostringstream text;
  stoat::detail::Hash hash;
  for (const int label : labels_) hash.add(static_cast<std::uint64_t>(label));
  text.precision(17);
  text << file_->reader.path().filename().string() << ", " << size() << " samples of " << units() << " units x " << steps()
       << " steps of " << options_.dt << " s, checksum of labels " << hash.value();
  return text.str();
}

/// Rows wait in memory until there are some.
struct SpikeFileWriter::File {
  int units;
  hdf5::Writer writer;
  Handle time_type, unit_type, times, unit_lists, labels;
  std::vector<SpikeTrains> waiting{};
  std::vector<std::int32_t> waiting_labels{};
  hsize_t written = 0;

  File(fs::path path, int unit_count) : units(unit_count), writer(std::move(path)) {
    writer.group("spikes");
    writer.group("extra");
    const auto list = [&](hid_t base) { return writer.checked(H5Tvlen_create(base), H5Tclose, "spikes"); };
    times = rows(times_name, list(H5T_IEEE_F64LE));
    unit_lists = rows(units_name, list(units <= 65536 ? H5T_STD_U16LE : H5T_STD_I32LE));
    labels = rows("labels", writer.checked(H5Tcopy(H5T_STD_I32LE), H5Tclose, "labels"));
    time_type = list(H5T_NATIVE_DOUBLE), unit_type = list(H5T_NATIVE_INT);
  }
  ~File() { clear(); }
  void clear() {
    const Session session;
    for (Handle* h : {&time_type, &unit_type, &times, &unit_lists, &labels}) *h = Handle();
  }
  /// A dataset that grows.
  Handle rows(const char* name, const Handle& type) const {
    const hsize_t none = 0, unlimited = H5S_UNLIMITED, chunk = 64;
    const Handle space = writer.checked(H5Screate_simple(1, &none, &unlimited), H5Sclose, name);
    const Handle options = writer.checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, name);
    writer.check(H5Pset_chunk(options, 1, &chunk), name);
    return writer.checked(H5Dcreate2(writer.file(), name, type, space, H5P_DEFAULT, options, H5P_DEFAULT), H5Dclose, name);
  }
  void append(const Handle& set, const char* name, hid_t type, const void* values, hsize_t count) const {
    const hsize_t size = written + count;
    writer.check(H5Dset_extent(set, &size), name);
    const Handle there = writer.checked(H5Dget_space(set), H5Sclose, name);
    const Handle here = writer.checked(H5Screate_simple(1, &count, nullptr), H5Sclose, name);
    writer.check(H5Sselect_hyperslab(there, H5S_SELECT_SET, &written, nullptr, &count, nullptr), name);
    writer.check(H5Dwrite(set, type, here, there, H5P_DEFAULT, values), name);
  }
  void flush() {
    if (waiting.empty()) return;
    std::vector<hvl_t> time_lists, index_lists;
    for (SpikeTrains& trains : waiting) {
      time_lists.push_back({trains.times.size(), trains.times.data()});
      index_lists.push_back({trains.units.size(), trains.units.data()});
    }
    const hsize_t count = waiting.size();
    append(times, times_name, time_type, time_lists.data(), count);
    append(unit_lists, units_name, unit_type, index_lists.data(), count);
    append(labels, "labels", H5T_NATIVE_INT32, waiting_labels.data(), count);
    written += count;
    waiting.clear(), waiting_labels.clear();
  }
};

SpikeFileWriter::SpikeFileWriter(fs::path path, int units) {
  if (units < 1) throw InvalidArgument("SpikeFileWriter: " + outside("units", units, "[1, infinity)"));
  const Session session;
  file_ = std::make_unique<File>(std::move(path), units);
}
SpikeFileWriter::~SpikeFileWriter() = default;
SpikeFileWriter::SpikeFileWriter(SpikeFileWriter&&) noexcept = default;
SpikeFileWriter& SpikeFileWriter::operator=(SpikeFileWriter&&) noexcept = default;

void SpikeFileWriter::add(const SpikeTrains& trains, int label) {
  if (!file_) throw InvalidArgument("SpikeFileWriter: the file is closed");
  const auto fail = [](const std::string& what) { throw InvalidArgument("SpikeFileWriter: " + what); };
  if (trains.times.size() != trains.units.size())
    fail(std::to_string(trains.times.size()) + " times for " + std::to_string(trains.units.size()) + " units");
  if (label < 0) fail(outside("label", label, "[0, infinity)"));
  bool of_unit = false;
  for (std::size_t i = 0; i < trains.times.size(); ++i)
    if (const std::string why = problem(trains, i, file_->units, of_unit); !why.empty())
      fail("spike " + std::to_string(i) + ": " + why);
  const Session session;
  file_->waiting.push_back(trains), file_->waiting_labels.push_back(label);
  if (file_->waiting.size() == 64) file_->flush();
}

void SpikeFileWriter::close() {
  if (!file_) return;
  const Session session;
  file_->flush();
  file_->clear();
  file_->writer.commit();
  file_.reset();
}

void write_spike_file(const fs::path& path, const Dataset& data, double dt) {
  data.check();
  if (!(dt > 0 && std::isfinite(dt))) throw InvalidArgument("write_spike_file: " + outside("dt", dt, "(0, infinity)"));
  if (data.labels.size() != data.size()) throw InvalidArgument("write_spike_file: the data have no labels");
  SpikeFileWriter writer(path, data.inputs.units());
  for (std::size_t sample = 0; sample < data.size(); ++sample) {
    SpikeTrains trains;
    for (int step = 0; step < data.inputs.steps(); ++step)
      for (const SpikeEvents::Unit unit : data.inputs.at(sample, step)) {
        trains.times.push_back((step + 0.5) * dt);
        trains.units.push_back(static_cast<int>(unit));
      }
    writer.add(trains, data.labels[sample]);
  }
  writer.close();
}

}  // namespace stoat::snn

#include "readers.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <stoat/error.hpp>
#include <stoat/snn/raster.hpp>
#include <stoat/snn/spike_text.hpp>
#ifdef STOAT_HAS_HDF5
#include <stoat/hdf5.hpp>
#endif

namespace fuzz {
namespace {

using namespace stoat::snn;

/// The bytes as a file, which is gone at the end.
class File {
 public:
  explicit File(std::string_view bytes)
      : path_(std::filesystem::temp_directory_path() / ("stoat-fuzz-" + std::to_string(::getpid()))) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~File() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void pbm(std::string_view bytes) { read_pbm(File(bytes).path()); }
void pgm(std::string_view bytes) { read_pgm(File(bytes).path()); }
void spike_text(std::string_view bytes) { read_spikes(File(bytes).path(), 5, 0.01, 10); }
#ifdef STOAT_HAS_HDF5
void spike_file(std::string_view bytes) {
  const File file(bytes);
  SpikeFile(file.path(), {.units = 5, .dt = 0.01, .steps = 10}).read();
}
/// The network of the corpus.
Network small() { return Network(3, 10, {Linear{2}, Lif{.recurrent = true}, Linear{2}, LeakyReadout{}}); }
void weight_file(std::string_view bytes) {
  const File file(bytes);
  read_weights(file.path(), small());
}
void nir(std::string_view bytes) {
  const File file(bytes);
  read_nir(file.path(), {.dt = 0.002, .steps = 10});
}
#endif

}  // namespace

const std::vector<Reader>& readers() {
  static const std::vector<Reader> all{
      {"pbm", pbm},
      {"pgm", pgm},
      {"spike_text", spike_text},
#ifdef STOAT_HAS_HDF5
      {"spike_file", spike_file},
      {"weight_file", weight_file},
      {"nir", nir},
#endif
  };
  return all;
}

bool accepts(const Reader& reader, std::string_view bytes) {
  try {
    reader.read(bytes);
    return true;
  } catch (const stoat::Error&) { return false; }
}

}  // namespace fuzz

#include <stoat/snn/data_source.hpp>

#include <stoat/driver/checkpoint_file.hpp>
#include <stoat/error.hpp>

namespace stoat::snn {

SourceSubset::SourceSubset(std::shared_ptr<const DataSource> source, std::vector<std::size_t> samples)
    : source_(std::move(source)), samples_(std::move(samples)) {
  for (std::size_t i = 0; i < samples_.size(); ++i)
    if (samples_[i] >= source_->size())
      throw InvalidArgument("SourceSubset: entry " + std::to_string(i) + " is sample " + std::to_string(samples_[i]) + " of " +
                            std::to_string(source_->size()) + ", which does not exist");
}

Dataset SourceSubset::read(std::span<const std::size_t> samples) const {
  std::vector<std::size_t> there;
  there.reserve(samples.size());
  for (const std::size_t sample : samples) {
    if (sample >= size())
      throw InvalidArgument("SourceSubset: sample " + std::to_string(sample) + " of " + std::to_string(size()) + " does not exist");
    there.push_back(samples_[sample]);
  }
  return source_->read(there);
}

std::string SourceSubset::identity() const {
  stoat::detail::Hash hash;
  for (const std::size_t sample : samples_) hash.add(std::uint64_t{sample});
  return std::to_string(size()) + " samples, checksum " + std::to_string(hash.value()) + ", of " + source_->identity();
}

}  // namespace stoat::snn

#include <stoat/program/sampler.hpp>

#include <algorithm>

namespace stoat {

void SamplerBase::begin(const DrawPlan& plan) {
  plan_ = plan;
  watch_from_ = plan.chances ? 0 : plan.limit;
  site_ = 0;
  outcomes_.clear();
  buffer_count_ = 0;
  noisy_ = false;
  restart_words();
  if (!labels_.empty()) labels_.clear();
}

void SamplerBase::uniforms_of(std::size_t site, std::span<double> out) const {
  uniforms(plan_.key, site, out);
  if (plan_.coupling)
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = (*plan_.coupling)(site + i, out[i]);
}

void SamplerBase::refill() {
  // Short programs should not pay for numbers they never read: fill a little at first, then more.
  const std::size_t count = std::clamp<std::size_t>(site_, 4, buffer_size_);
  buffer_first_ = site_ & ~std::size_t{1};
  buffer_count_ = count & ~std::size_t{1};
  uniforms(plan_.key, buffer_first_, std::span(buffer_).first(buffer_count_));
  if (plan_.coupling)
    for (std::size_t i = 0; i < buffer_count_; ++i) buffer_[i] = (*plan_.coupling)(buffer_first_ + i, buffer_[i]);
}

double SamplerBase::labelled_uniform(std::uint64_t label) {
  const std::uint32_t occurrence = labels_[label]++;
  RunKey key = plan_.key;
  if (key.purpose == Purpose::pilot) key.run |= std::uint64_t{1} << 39;  // pilots share no number with the runs they serve
  key.purpose = Purpose::labelled;
  const Words w = philox(key, label, occurrence);
  const double u = uniform53(w[0], w[1]);
  return plan_.coupling ? (*plan_.coupling)(site_, u) : u;
}

void SamplerBase::next_words() {
  // Word 0 belongs to the sites' own uniforms.
  if (word_ == 0) throw Error("more continuous draws after one site than there are random words for " + where());
  words_ = philox(plan_.key, site_, word_++);
  word_used_ = 0;
  noisy_ = true;
}

std::string SamplerBase::where() const {
  std::string text = "(site " + std::to_string(site_);
  if (plan_.changed != no_site)
    text += ", replay of run " + std::to_string(plan_.key.run) + " with site " + std::to_string(plan_.changed) + " forced to " +
            std::to_string(plan_.change_to);
  else text += ", run " + std::to_string(plan_.key.run);
  return text + ")";
}

void SamplerBase::complain(std::string_view law, const std::string& trouble) const {
  throw Error(std::string(law) + ": " + trouble + " " + where());
}

void SamplerBase::soft_as_number(std::string_view estimator, std::string_view law, std::size_t site) const {
  throw Refusal(std::string(estimator) + ": the program reads the " + std::string(law) + " draw of site " + std::to_string(site) +
                " as a bool or an integer; " + (estimator == "MeanField" ? "a mean" : "a relaxed value") + " is neither");
}

void SamplerBase::no_mean(std::string_view law) const {
  throw Refusal("MeanField: " + std::string(law) + " offers no mean() " + where());
}

void SamplerBase::no_relaxation(std::string_view estimator, std::string_view law) const {
  throw Refusal(std::string(estimator) + ": " + std::string(law) + " has no relaxation " + where() +
                "; only coins and labels have");
}

void SamplerBase::too_many() const {
  if (plan_.lowest)
    throw Refusal("Enumeration: a sequence of more than " + std::to_string(plan_.limit) + " draws; the program may be endless");
  throw Error("a run made more than " + std::to_string(plan_.limit) + " draws and may never end; raise max_draws if it should " +
              where());
}

void SamplerBase::out_of_support(std::int64_t k, const Support& support, std::string_view law) const {
  throw Error(std::string(law) + ": forced outcome " + std::to_string(k) + " is outside the range " +
              std::to_string(support.lower) + ", ..., " +
              (support.finite() ? std::to_string(support.upper) : std::string("infinity")) + " " + where());
}

}  // namespace stoat

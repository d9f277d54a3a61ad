#include <stoat/program/sampler.hpp>

#include <algorithm>

namespace stoat {

void SamplerBase::begin(const DrawPlan& plan) {
  plan_ = plan;
  repeated_ = plan.chances ? 0 : std::min(plan.forced.size(), plan.limit);
  special_ = plan.chances || plan.lowest ? 0 : std::min(plan.changed, plan.limit);
  site_ = 0;
  outcomes_.clear();
  buffer_count_ = 0;
  noisy_ = false;
  restart_words();
  if (!labels_.empty()) labels_.clear();
  loops_.clear();
  skips_.clear();
  loop_ = 0;
  in_loop_ = rejoined_ = fresh_ = false;
  boundary_ = boundaries_ = new_boundaries_ = known_steps_ = 0;
  boundary_key_ = no_site;
  costs_added_ = labels_used_ = 0;
  skipped_labels_ = 0;
  own_labels_.clear();
  shift_ = 0;
  keys_end_ = plan.loops ? plan.loops->marks.front().sites : no_site;
  next_fresh_ = plan.sites;
}

void SamplerBase::go_to(const detail::Place& place) {
  site_ = place.site;
  boundaries_ = place.boundaries;
  labels_used_ = place.labels_used;
  noisy_ = place.noisy;
  labels_ = place.labels;
  outcomes_.clear();
  loops_.marks.clear();
}

void SamplerBase::uniforms_of(std::size_t site, std::span<double> out) const {
  uniforms(plan_.key, site, out);
  if (plan_.coupling)
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = (*plan_.coupling)(site + i, out[i]);
}

void SamplerBase::refill() {
  // Short programs should not pay for numbers they never read: fill a little at first, then more.
  const std::size_t count = std::clamp<std::size_t>(site_, 4, buffer_size_);
  buffer_first_ = key() & ~std::size_t{1};
  buffer_count_ = count & ~std::size_t{1};
  uniforms(plan_.key, buffer_first_, std::span(buffer_).first(buffer_count_));
  if (plan_.coupling)
    for (std::size_t i = 0; i < buffer_count_; ++i) buffer_[i] = (*plan_.coupling)(buffer_first_ + i, buffer_[i]);
}

namespace {

/// Other numbers of the same run.
RunKey for_purpose(RunKey key, Purpose purpose) {
  if (key.purpose == Purpose::pilot) key.run |= std::uint64_t{1} << 39;  // pilots share no number with the runs they serve
  key.purpose = purpose;
  return key;
}

}  // namespace

std::uint32_t SamplerBase::occurrence(std::uint64_t label) {
  ++labels_used_;
  if (plan_.keep) plan_.keep->add_label(label);
  const std::uint32_t uses = labels_[label]++;
  if (!plan_.checkpoints) return uses;
  own_labels_.push_back(label);
  return uses + plan_.checkpoints->uses(label, skipped_labels_);
}

double SamplerBase::labelled_uniform(std::uint64_t label, std::uint32_t occurrence) const {
  const Words w = philox(for_purpose(plan_.key, Purpose::labelled), label, occurrence);
  const double u = uniform53(w[0], w[1]);
  return plan_.coupling ? (*plan_.coupling)(site_, u) : u;
}

void SamplerBase::next_words() {
  // Word 0 belongs to the sites' own uniforms.
  if (word_ == 0) throw Error("more continuous draws after one site than there are random words for " + where());
  words_ = key() == boundary_key_ ? philox(for_purpose(plan_.key, Purpose::iteration), boundary_, word_++)
                                  : philox(plan_.key, key(), word_++);
  word_used_ = 0;
  noisy_ = true;
}

bool SamplerBase::enter_loop(int steps) {
  if (steps < 0) throw InvalidArgument("draw.iterate: " + outside("steps", steps, "[0, infinity)") + " " + where());
  if (in_loop_) return false;
  in_loop_ = true;
  steps_ = static_cast<std::size_t>(steps);
  if (!plan_.loops) {
    loops_.loops.push_back({loops_.marks.size(), steps_});
  } else if (loop_ < plan_.loops->loops.size()) {
    known_first_ = plan_.loops->loops[loop_].first;
    known_steps_ = std::min(steps_, plan_.loops->loops[loop_].steps);
  }
  return true;
}

void SamplerBase::leave_loop() {
  known_steps_ = 0;  // of no loop
  boundary(steps_);
  in_loop_ = false;
  ++loop_;
}

void SamplerBase::new_boundary(std::size_t step) {
  if (plan_.loops) return follow(step == steps_);
  boundary_ = boundaries_++;
  if (plan_.forget) outcomes_.clear(), loops_.marks.clear();
  loops_.marks.push_back({site_, costs_added_, labels_used_});
}

void SamplerBase::follow(bool end) {
  const auto& [loops, marks] = *plan_.loops;
  if (fresh_) keep_fresh_keys();
  if (end && loop_ < loops.size()) {
    boundary_ = loops[loop_].end();
    shift_ = marks[boundary_].sites - site_;
    keys_end_ = boundary_ + 1 < marks.size() ? marks[boundary_ + 1].sites : plan_.sites;
  } else {
    boundary_ = marks.size() + new_boundaries_++;
    take_fresh_keys();
  }
}

void SamplerBase::take_fresh_keys() {
  shift_ = next_fresh_ - site_;
  keys_end_ = no_site;
  fresh_ = true;
}

const detail::LoopLog::Loop& SamplerBase::original_loop() const {
  const auto& loops = plan_.loops->loops;
  if (loop_ >= loops.size()) no_such_loop("no such loop");
  if (loops[loop_].steps != steps_) no_such_loop(std::to_string(loops[loop_].steps) + " iterations");
  return loops[loop_];
}

void SamplerBase::no_such_loop(const std::string& in_the_run) const {
  throw Error("draw.iterate: loop " + std::to_string(loop_) + ", of " + std::to_string(steps_) + " iterations, had " + in_the_run +
              " in the run itself; the program depends on more than theta and its draws " + where());
}

bool SamplerBase::may_rejoin(std::size_t boundary) const {
  if (site_ <= plan_.changed) return false;
  const auto& labels = plan_.checkpoints->labels();
  const std::size_t n = plan_.loops->marks[boundary].labels - skipped_labels_;
  return own_labels_.size() == n &&
         std::equal(own_labels_.begin(), own_labels_.end(), labels.begin() + static_cast<std::ptrdiff_t>(skipped_labels_));
}

void SamplerBase::skip(std::size_t from, std::size_t to) {
  const detail::Mark &a = plan_.loops->marks[from], &b = plan_.loops->marks[to];
  const std::size_t n = b.sites - a.sites;
  if (n > plan_.limit - std::min(plan_.limit, site_)) {
    site_ = plan_.limit;
    too_many();
  }
  skips_.push_back({site_, a.sites, n});
  if (plan_.chances) {
    const auto first = plan_.checkpoints->chances.begin();
    plan_.chances->insert(plan_.chances->end(), first + static_cast<std::ptrdiff_t>(a.sites),
                          first + static_cast<std::ptrdiff_t>(b.sites));
  }
  site_ += n;
  skipped_labels_ = b.labels;
  own_labels_.clear();
  labels_.clear();
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

#include <stoat/driver/reduce.hpp>

#include <cmath>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <stoat/driver/report.hpp>

namespace stoat::detail {

Failure current_failure() {
  Failure failure;
  failure.original = std::current_exception();
  try {
    throw;
  } catch (const Refusal& e) {
    failure.kind = Failure::Kind::refusal, failure.message = e.what();
  } catch (const InvalidArgument& e) {
    failure.kind = Failure::Kind::invalid_argument, failure.message = e.what();
  } catch (const std::exception& e) { failure.kind = Failure::Kind::error, failure.message = e.what(); } catch (...) {
    failure.kind = Failure::Kind::error, failure.message = "an exception of unknown type";
  }
  return failure;
}

void name_rank(Failure& failure, const Ranks& ranks) {
  if (failure.kind == Failure::Kind::refusal) return;
  failure.message = "rank " + std::to_string(ranks.rank()) + " of " + std::to_string(ranks.size()) + ": " + failure.message;
}

void rethrow(const Failure& failure, bool alone) {
  if (alone && failure.original) std::rethrow_exception(failure.original);
  if (failure.kind == Failure::Kind::refusal) throw Refusal(failure.message);
  if (failure.kind == Failure::Kind::invalid_argument) throw InvalidArgument(failure.message);
  throw Error(failure.message);
}

Ranks::Bytes from_first(Ranks* ranks, const std::function<Ranks::Bytes()>& make) {
  if (alone(ranks)) return make();
  Failure failure;
  Ranks::Bytes bytes;
  Packer packer;
  if (ranks->rank() == 0) {
    try {
      bytes = make();
    } catch (...) { failure = current_failure(); }
    packer(failure, bytes);
  }
  ranks->broadcast(packer.bytes);
  if (ranks->rank() != 0) Unpacker(packer.bytes)(failure, bytes);
  if (failure) rethrow(failure, false);
  return bytes;
}

void RankTimes::add(const std::vector<RankTime>& times) {
  for (const RankTime& t : times) {
    while (times_.size() <= static_cast<std::size_t>(t.rank)) times_.push_back({static_cast<int>(times_.size())});
    times_[static_cast<std::size_t>(t.rank)].blocks += t.blocks;
    times_[static_cast<std::size_t>(t.rank)].seconds += t.seconds;
  }
}

std::string RankTimes::note() const {
  const auto each = [](const RankTime& t) { return t.blocks > 0 ? t.seconds / static_cast<double>(t.blocks) : 0; };
  const auto slowest = std::max_element(times_.begin(), times_.end(), [&](auto& a, auto& b) { return each(a) < each(b); });
  if (times_.size() < 2 || slowest->seconds < 0.5) return {};
  std::vector<double> others;
  for (const RankTime& t : times_)
    if (t.rank != slowest->rank && t.blocks > 0) others.push_back(each(t));
  if (others.empty()) return {};
  std::nth_element(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2), others.end());
  const double ratio = each(*slowest) / others[others.size() / 2];
  if (!(ratio >= 2)) return {};
  return "rank " + std::to_string(slowest->rank) + " took " + report::digits(ratio, 2) +
         " times as long as the others, which waited " + std::to_string(std::lround(100 * (1 - 1 / ratio))) + " % of the time";
}

int thread_count(int threads) {
#ifdef _OPENMP
  return threads > 0 ? threads : omp_get_max_threads();
#else
  (void)threads;
  return 1;
#endif
}

void for_blocks(std::int64_t first, std::int64_t last, int threads, const std::function<void(std::int64_t, int)>& work) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel for schedule(monotonic : dynamic, 1) num_threads(threads)
    for (std::int64_t block = first; block < last; ++block) work(block, omp_get_thread_num());
    return;
  }
#else
  (void)threads;
#endif
  for (std::int64_t block = first; block < last; ++block) work(block, 0);
}

}  // namespace stoat::detail

#include <stoat/driver/comparison.hpp>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <stoat/driver/page.hpp>
#include <stoat/driver/report.hpp>

using namespace stoat;
namespace fs = std::filesystem;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Exact truth_of(std::vector<double> g) {
  Exact truth;
  truth.value = 1;
  truth.gradient = Eigen::Map<Eigen::VectorXd>(g.data(), static_cast<Eigen::Index>(g.size()));
  truth.source = "closed form";
  return truth;
}

/// A row whose mean misses the truth by `bias` in each coordinate, with standard error `error` each.
ComparisonRow row_of(const Exact& truth, double bias, double error, std::uint64_t samples = 10'000) {
  ComparisonRow row;
  row.estimator = "E";
  row.samples = samples;
  row.gradient = truth.gradient.array() + bias;
  row.gradient_error = Eigen::VectorXd::Constant(truth.gradient.size(), error);
  row.total_variance = row.gradient_error.squaredNorm() * static_cast<double>(samples);
  row.projection_z = error > 0 ? std::abs(bias) / error : not_a_number;
  row.runs_per_sample = row.sweeps_per_sample = 1;
  row.seconds_per_sample = 1e-6;
  row.largest_share = 0.001;
  return row;
}

std::string verdict(const Exact& truth, ComparisonRow row) {
  judge(row, truth, 0.95);
  return row.verdict;
}

Comparison sample(const std::string& program = "walk") {
  Comparison c;
  c.program = program;
  c.theta = Eigen::VectorXd::Constant(2, 0.5);
  c.truth = truth_of({3, 4});
  c.sites = 100;
  c.rows = {row_of(c.truth, 0.001, 0.01), row_of(c.truth, 1, 0.002), row_of(c.truth, 0, 0.02), {}};
  const char* names[] = {"LeaveOneOut(2)", "StraightThrough", "ScoreFunction", "Enumeration"};
  for (std::size_t i = 0; i < 4; ++i) c.rows[i].estimator = names[i];
  c.rows[1].unbiased = false;
  c.rows[2].value_error = not_a_number;
  c.rows[3].skipped = "2^100 outcomes, \"too many\"";
  for (ComparisonRow& row : c.rows) judge(row, c.truth, c.confidence);
  return c;
}

std::string read(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "stoat-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("judge: verdicts") {
  const Exact truth = truth_of({3, 4});  // norm 5
  CHECK(verdict(truth, row_of(truth, 0.01, 0.01)) == "unbiased within 0.85 %");
  CHECK(verdict(truth, row_of(truth, 1, 0.001)) == "BIASED 28 %");
  CHECK(verdict(truth, row_of(truth, 0.1, 1)) == "underpowered");
  ComparisonRow heavy = row_of(truth, 0.01, 0.01);
  heavy.largest_share = 0.5;
  CHECK(verdict(truth, heavy) == "heavy tail");
  heavy.samples = 50;
  CHECK(verdict(truth, heavy) != "heavy tail");
  CHECK(verdict(truth, row_of(truth, 0.04, 0.01)).starts_with("unbiased"));      // z = 4 is below the limit of 32 projections
  CHECK(verdict(truth, row_of(truth, 0.05, 0.01, 10)).starts_with("unbiased"));  // and z = 5 is, for 10 draws
  CHECK(verdict(truth, row_of(truth, not_a_number, 0.01)) == "not finite");
  CHECK(verdict(truth, row_of(truth, 0.01, not_a_number)) == "underpowered");
}

TEST_CASE("judge: no variance") {
  const Exact truth = truth_of({3, 4});
  CHECK(verdict(truth, row_of(truth, 1e-12, 0, 1)) == "deterministic, exact");
  ComparisonRow mean_field = row_of(truth, 1, 0, 1);
  mean_field.unbiased = false;
  CHECK(verdict(truth, mean_field) == "BIASED 28 %");
  ComparisonRow never_hit = row_of(truth, 0, 0);
  never_hit.gradient.setZero();
  CHECK(verdict(truth, never_hit) == "underpowered");
  const Exact zero = truth_of({0, 0});
  CHECK(verdict(zero, row_of(zero, 0, 0)) == "deterministic, exact");
}

TEST_CASE("judge: one coordinate, zero, tiny and uncertain truths") {
  Exact one = truth_of({-2});
  CHECK(verdict(one, row_of(one, 0.042, 0.01)) == "BIASED 2 %");  // z = 4.2: one test instead of 32
  one.gradient_error = Eigen::VectorXd::Constant(1, 0.01);
  CHECK(verdict(one, row_of(one, 0.042, 0.01)).starts_with("unbiased"));
  ComparisonRow row = row_of(one, 0.042, 0.01);
  judge(row, one, 0.95);
  CHECK(row.cosine == 1);
  CHECK(row.sign_agreement == 1);
  CHECK(bias_z(row, one) == doctest::Approx(0.042 / std::sqrt(2e-4)));

  const Exact zero = truth_of({0, 0});
  CHECK(verdict(zero, row_of(zero, 0.001, 0.001)) == "unbiased within 0.0042 (absolute)");
  CHECK(verdict(zero, row_of(zero, 1, 0.001)) == "BIASED 1.4 (absolute)");
  row = row_of(zero, 1, 0.001);
  judge(row, zero, 0.95);
  CHECK(std::isnan(row.cosine));
  CHECK(std::isnan(row.sign_agreement));

  Exact tiny = truth_of({3e-100, 4e-100});
  tiny.value = 1e-100;
  CHECK(verdict(tiny, row_of(tiny, 1e-102, 1e-102)).starts_with("unbiased within 0.85 %"));

  ComparisonRow open = row_of(one, 0, 1);
  judge(open, Exact{}, 0.95);
  CHECK(open.verdict == "no truth");
  CHECK_THROWS_AS(judge(row, one, 0.95), InvalidArgument);
  CHECK_THROWS_AS(judge(row, zero, 1.5), InvalidArgument);
}

TEST_CASE("judge: bias without its noise") {
  const Exact truth = truth_of({3, 4});
  ComparisonRow row = row_of(truth, 0.5, 0.3);
  judge(row, truth, 0.95);
  CHECK(row.relative_bias == doctest::Approx(std::sqrt(2 * (0.25 - 0.09)) / 5));
  row = row_of(truth, 0.1, 0.3);
  judge(row, truth, 0.95);
  CHECK(row.relative_bias == 0);
  CHECK(row.relative_bias_error > 0);
  row = row_of(truth, 2, 0.01);
  row.gradient[0] = -1;
  judge(row, truth, 0.95);
  CHECK(row.sign_agreement == doctest::Approx(4.0 / 7));
  judge(row, truth, 0.95);
  CHECK(row.notes == std::vector<std::string>{"claims to be unbiased"});
}

TEST_CASE("comparison: efficiency and text") {
  Comparison c = sample();
  const std::vector<double> efficiency = efficiencies(c);
  CHECK(efficiency[0] == 1);
  CHECK(efficiency[2] == doctest::Approx(0.25));
  CHECK(std::isnan(efficiency[3]));
  std::ostringstream out;
  out << c;
  const std::string text = out.str();
  CHECK(text.find("walk: 100 sites, d = 2, truth 1, |g| 5 (closed form), 10000 draws, seed 0") == 0);
  CHECK(text.find("skipped: 2^100") != std::string::npos);
  CHECK(text.find("StraightThrough") < text.find("LeaveOneOut(2)"));
  CHECK(text.find("LeaveOneOut(2)") < text.find("ScoreFunction"));
  CHECK(text.find("nan") == std::string::npos);
}

TEST_CASE("crossover: from when on an unbiased estimator errs less than every biased one") {
  Comparison c = sample();
  // StraightThrough: bias b, variance v2; LeaveOneOut(2): variance v1. b^2 + v2 t / T = v1 t / T.
  const double b = c.rows[1].relative_bias, v1 = time_variance(c.rows[0], c.truth), v2 = time_variance(c.rows[1], c.truth);
  const double seconds = crossover(c.rows[0], c);
  CHECK(seconds * b * b / (v1 - v2) == doctest::Approx(1));
  CHECK(error_after(c.rows[0], c.truth, seconds) == doctest::Approx(error_after(c.rows[1], c.truth, seconds)));
  CHECK(std::isnan(crossover(c.rows[1], c)));
  CHECK(std::isnan(crossover(c.rows[3], c)));
  c.rows[1].total_variance = 2 * c.rows[0].total_variance;
  CHECK(crossover(c.rows[0], c) == 0);
  c.rows[1].verdict = "unbiased";
  CHECK(std::isnan(crossover(c.rows[0], c)));
}

TEST_CASE("coordinates that few draws have hit are left out") {
  const Exact truth = truth_of({3, 4});
  ComparisonRow row = row_of(truth, 0, 0.01);
  row.gradient << 3.5, 4.02;
  row.hits = {29, 30};
  judge(row, truth, 0.95);
  CHECK_FALSE(hit_enough(row, 0));
  CHECK(hit_enough(row, 1));
  CHECK(row.coordinate_z == doctest::Approx(2));
  row.hits = {30, 30};
  judge(row, truth, 0.95);
  CHECK(row.coordinate_z == doctest::Approx(50));

  const Folder folder;
  Comparison c = sample();
  c.rows[0].hits = {29, 10'000};
  c.write_html(folder.path / "c.html");
  const std::string page = read(folder.path / "c.html");
  CHECK(page.find("n/a (29 hits)") != std::string::npos);
  CHECK(page.find("n/a (10000 hits)") == std::string::npos);
}

TEST_CASE("comparison: JSON") {
  const Folder folder;
  const fs::path file = folder.path / "c.json";
  write_json(file, {sample(), sample("bad \xff utf-8")});
  const auto json = nlohmann::json::parse(read(file));
  REQUIRE(json.size() == 8);
  const auto& row = json[0];
  for (const char* key :
       {"program", "estimator", "unbiased", "samples", "value", "value_error", "gradient", "gradient_error", "truth",
        "total_variance", "runs_per_sample", "seconds_per_sample", "theta", "truth_source", "verdict", "relative_bias"}) {
    CHECK_MESSAGE(row.contains(key), key);
  }
  CHECK(row["truth"] == std::vector<double>{3, 4});
  CHECK(row["gradient"][0] == 3.001);
  CHECK(json[2]["value_error"].is_null());
  CHECK(json[3]["skipped"] == "2^100 outcomes, \"too many\"");
  CHECK_FALSE(json[3].contains("gradient"));
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator{}) == 1);  // no temporary file left
}

TEST_CASE("comparison: CSV") {
  const Folder folder;
  sample("a, \"b\"").write_csv(folder.path / "c.csv");
  std::istringstream in(read(folder.path / "c.csv"));
  std::string line;
  std::getline(in, line);
  CHECK(line.starts_with("program,estimator,"));
  const auto commas = [](const std::string& s) {
    bool inside = false;
    int count = 0;
    for (const char c : s) {
      if (c == '"') inside = !inside;
      count += c == ',' && !inside;
    }
    return count;
  };
  const int columns = commas(line);
  int lines = 0;
  for (; std::getline(in, line); ++lines) {
    CHECK(commas(line) == columns);
    CHECK(line.starts_with("\"a, \"\"b\"\"\","));
  }
  CHECK(lines == 4);
  CHECK(read(folder.path / "c.csv").find(",3.001;4.001,") != std::string::npos);
}

TEST_CASE("comparison: HTML") {
  const Folder folder;
  const fs::path file = folder.path / "c.html";
  Comparison one = sample("<script>alert(1)</script> & 'co'");
  one.rows[0].estimator = "It's <b>";
  write_html(file, {one, sample()});
  const std::string page = read(file);
  CHECK(page.starts_with("<!doctype html>"));
  CHECK(page.ends_with("</html>\n"));
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;co&#39;") != std::string::npos);
  CHECK(page.find("<b>\"") == std::string::npos);
  const bool plots = page.find("<svg") != std::string::npos, excuse = page.find("Plots are missing") != std::string::npos;
  CHECK(plots != excuse);
  if (std::system("command -v gnuplot >/dev/null 2>&1") == 0) CHECK(plots);
  write_html(file, {});  // nothing to show is still a page
  CHECK(read(file).ends_with("</html>\n"));
}

TEST_CASE("page: optimisations, growing problems and diagnostics; files of optimisations") {
  Optimisation o;
  o.program = "walk & co";
  o.optimizer = "Adam(0.1)";
  o.theta = Eigen::VectorXd::Zero(1);
  o.samples = 16;
  o.seeds = 5;
  o.work = {0, 50, 100};
  o.rows.resize(3);
  o.rows[0].estimator = "Slow";
  o.rows[0].loss = {3, 2, 1.5};
  o.rows[0].loss_error = {0, 0.1, 0.1};
  o.rows[0].final_loss = 1.5;
  o.rows[0].final_loss_error = 0.1;
  o.rows[1] = o.rows[0];
  o.rows[1].estimator = "Fast";
  o.rows[1].loss = {3, 1, 0.5};
  o.rows[1].final_loss = 0.5;
  o.rows[1].diverged = 2;
  o.rows[2].estimator = "None";
  o.rows[2].skipped = "it cannot";
  std::ostringstream out;
  out << o;
  const std::string text = out.str();
  CHECK(text.find("walk & co: Adam(0.1), 16 draws per iteration, 100 runs of the program, 5 seeds") == 0);
  CHECK(text.find("Fast") < text.find("Slow"));
  CHECK(text.find("0.5 ± 0.1") != std::string::npos);
  CHECK(text.find("2 of 5") != std::string::npos);
  CHECK(text.find("None skipped: it cannot") != std::string::npos);

  const Folder folder;
  write_json(folder.path / "o.json", {o});
  const auto json = nlohmann::json::parse(read(folder.path / "o.json"));
  REQUIRE(json.size() == 3);
  CHECK(json[1]["loss"] == std::vector<double>{3, 1, 0.5});
  CHECK(json[1]["diverged"] == 2);
  CHECK(json[2]["skipped"] == "it cannot");
  write_csv(folder.path / "o.csv", {o});
  CHECK(read(folder.path / "o.csv").find("walk & co,Adam(0.1),Slow,true,1.5,0.1,") != std::string::npos);

  Page page;
  page.comparisons = {sample()};
  page.comparisons[0].diagnostics.emplace();
  page.comparisons[0].diagnostics->interaction_order = 4.25;
  page.comparisons[0].diagnostics->by_score = {{.site = 17, .law = "<Law>", .paths = 3, .score_share = 0.5}};
  page.optimisations = {o};
  page.scalings = {{"walk of n steps", {10, 100}, {sample(), sample()}}};
  page.write_html(folder.path / "p.html");
  const std::string html = read(folder.path / "p.html");
  for (const char* part :
       {"Minimising walk &amp; co", "Growing problems: walk of n steps", "n = 100", "4.25", "&lt;Law&gt; <b>#17</b>"})
    CHECK_MESSAGE(html.find(part) != std::string::npos, part);
  std::size_t plots = 0;
  for (std::size_t at = 0; (at = html.find("<figure>", at)) != std::string::npos; ++at) ++plots;
  if (std::system("command -v gnuplot >/dev/null 2>&1") == 0) CHECK(plots == 6);  // 3 of the comparison, 2 of the series, 1
  page.scalings[0].sizes.pop_back();
  CHECK_THROWS_AS(page.write_html(folder.path / "p.html"), InvalidArgument);
}

TEST_CASE("comparison: a file that cannot be written") {
  const Folder folder;
  const fs::path file = folder.path / "missing" / "c.json";
  try {
    sample().write_json(file);
    FAIL("no error");
  } catch (const Error& error) { CHECK(std::string(error.what()).find(file.string()) != std::string::npos); }
  CHECK_THROWS_AS(sample().write_csv(folder.path), Error);
  CHECK_THROWS_AS(sample().write_html(""), Error);
  CHECK_NOTHROW(sample().write_csv("/dev/null"));
}

TEST_CASE("report: numbers and quantiles") {
  CHECK(report::digits(0.123456) == "0.123");
  CHECK(report::digits(1234.5) == "1234");
  CHECK(report::digits(137, 2) == "137");
  CHECK(report::digits(not_a_number) == "-");
  CHECK(report::exact(0.1) == "0.1");
  CHECK(report::normal_upper_quantile(0.025) == doctest::Approx(1.959963985));
  CHECK(report::escape_html("<a href=\"x\">") == "&lt;a href=&quot;x&quot;&gt;");
}

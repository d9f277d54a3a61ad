#include <algorithm>
#include <vector>

#include <stoat/driver/report.hpp>
#include <stoat/error.hpp>
#include <stoat/snn/plot.hpp>

namespace stoat::snn {
namespace {

namespace fs = std::filesystem;
using report::escape_html;

constexpr const char* style = R"(<style>
:root{color-scheme:light dark}
body{margin:0 auto;padding:1.2rem;max-width:83rem;font:1rem/1.5 system-ui,"DejaVu Sans",sans-serif}
h1{font-size:1.5rem}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #8886}th:first-child,td:first-child{text-align:left}
.pictures{display:flex;flex-wrap:wrap;align-items:flex-end;gap:1.5rem 1rem;margin-top:1rem}
figure{margin:0;max-width:100%}img{max-width:100%;height:auto;background:#fff}figcaption{font-size:.9rem}
</style>)";

/// The address of a file of the folder.
std::string address_of(const std::string& file) {
  std::string address;
  for (const char c : file) {
    constexpr const char* digits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    address += plain ? std::string(1, c) : std::string{'%', digits[byte / 16], digits[byte % 16]};
  }
  return address;
}
std::string link(const std::string& file, const std::string& text) {
  return "<a href=\"" + address_of(file) + "\">" + text + "</a>";
}

}  // namespace

void RunPage::write_html(const fs::path& folder) const {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>" +
      escape_html(title) + "</title>\n" + style + "\n</head><body>\n<h1>" + escape_html(title) + "</h1>\n";
  if (!text.empty()) html += "<p>" + escape_html(text) + "</p>\n";
  if (!table.empty()) {
    html += "<div class=\"scroll\"><table>\n";
    for (std::size_t row = 0; row < table.size(); ++row) {
      const std::string cell = row == 0 ? "th" : "td";
      html += "<tr>";
      for (const std::string& entry : table[row]) html += "<" + cell + ">" + escape_html(entry) + "</" + cell + ">";
      html += "</tr>\n";
    }
    html += "</table></div>\n";
  }
  std::vector<std::string> shown{"index.html"};
  html += "<div class=\"pictures\">\n";
  for (const Picture& picture : pictures) {
    if (!fs::is_regular_file(folder / picture.file))
      throw Error("cannot write " + (folder / "index.html").string() + ": there is no picture " + picture.file);
    html += "<figure>" +
            link(picture.file, "<img alt=\"" + escape_html(picture.caption) + "\" src=\"" + address_of(picture.file) + "\">") +
            "<figcaption>" + escape_html(picture.caption);
    shown.push_back(picture.file);
    for (const char* ending : {".csv", ".gp"}) {
      const std::string beside = fs::path(picture.file).replace_extension(ending).string();
      if (!fs::is_regular_file(folder / beside)) continue;
      html += " · " + link(beside, ending == std::string(".csv") ? "data" : "script");
      shown.push_back(beside);
    }
    html += "</figcaption></figure>\n";
  }
  html += "</div>\n";
  std::vector<std::string> others;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && std::find(shown.begin(), shown.end(), name) == shown.end()) others.push_back(name);
  }
  std::sort(others.begin(), others.end());
  if (!others.empty()) {
    html += "<p>Also here:";
    for (const std::string& name : others) html += " " + link(name, escape_html(name));
    html += "</p>\n";
  }
  report::write_file(folder / "index.html", html + "</body></html>\n");
}

}  // namespace stoat::snn

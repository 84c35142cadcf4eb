#include "admin/token_file.h"

#include "base/file.h"
#include "base/log.h"
#include "base/of_flag.h"
#include "base/warn_of_readers.h"
#include "masque/token_lines.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::admin {

Result<TokenFile> TokenFile::open(std::string flag, std::string path) {
  TokenFile file(std::move(flag), std::move(path));
  file.file_.note();
  if (auto done = file.load(); !done) return std::unexpected(std::move(done.error()));
  if (file.tokens_->size() == 0 && file.file_.is_stream())
    return fail(ErrorKind::file,
                fmt::format("{}: no token came out of {}; what is no file is read once, at the start, when "
                            "somebody has to be writing into it",
                            file.flag_, file.path()));
  if (file.tokens_->size() == 0)
    return fail(ErrorKind::file, fmt::format("{}: {} has no token in it; write one a line: NAME TOKEN",
                                             file.flag_, file.path()));
  return file;
}

Result<> TokenFile::load() {
  const auto content = read_file(path(), masque::TokenLines::max_file);
  if (!content) {
    file_.note_unread();
    return of_flag(flag_, content.error());
  }
  auto tokens = masque::TokenTable::parse(*content, path());
  if (!tokens) return of_flag(flag_, tokens.error());
  tokens_ = std::move(*tokens);
  warn_of_readers(flag_, path());
  if (const auto& weak = tokens_->weak_lines(); !weak.empty())
    log_warn(
        "{}: the token in line {} of {} has fewer than {} characters and can be guessed; head -c 24 "
        "/dev/urandom | base64 makes a good one",
        flag_, weak.front(), path(), masque::TokenTable::short_token);
  return {};
}

Result<> TokenFile::read() {
  file_.note();
  Result<> done;
  if (file_.is_stream())  // nobody may ever write into it again
    done =
        fail(ErrorKind::file,
             fmt::format("{}: {} is no regular file; it is read once, at the start, and its tokens stay as "
                         "they are; put them in a file to change them",
                         flag_, path()));
  else
    done = load();
  ++(done ? counters_.read : counters_.failed);
  return done;
}

bool TokenFile::reload(std::string_view why, Time now) {
  if (auto done = read(); !done) {
    static LogLimit limit(30s);
    const bool known = said_ == done.error().message;
    said_ = std::move(done.error().message);
    if (!why.empty() || !known || limit.allow(now)) log_error("{}{}; the old tokens stay in use", why, said_);
    return false;
  }
  said_.clear();
  if (tokens_->size() == 0)
    log_warn("{}{} was reloaded and has no token: every client is refused", why, path());
  else
    log_info("{}{} was reloaded, tokens: {}", why, path(), tokens_->size());
  return true;
}

void TokenFile::collect(MetricSet& out) const {
  constexpr std::string_view reads = "Reloads of token files.";
  const std::string_view flag = std::string_view(flag_).substr(2);  // without its hyphens
  out.counter("token_file_reads_total", reads, static_cast<double>(counters_.read),
              {{"file", flag}, {"result", "used"}});
  out.counter("token_file_reads_total", reads, static_cast<double>(counters_.failed),
              {{"file", flag}, {"result", "failed"}});
}

}  // namespace sallyport::admin

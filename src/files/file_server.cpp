#include "files/file_server.h"

#include "base/hex.h"
#include "base/log.h"
#include "base/random.h"
#include "http/connection.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace sallyport::files {
namespace {

constexpr std::string_view allowed_methods = "GET, HEAD, OPTIONS";

/// One pass over the fields of a request: most have none of these.
bool has_conditions(const http::Fields& fields) {
  for (const auto& field : fields)
    if (field.name == "range" || field.name.starts_with("if-")) return true;
  return false;
}

std::string make_boundary() {
  std::array<std::uint8_t, 16> random{};
  system_random().fill(random);
  return to_hex(random);
}

/// The pieces as one body, from a file in memory.
Chunk assemble(const CachedFile& file, const std::vector<TransferPiece>& pieces, std::uint64_t length) {
  auto body = Chunk::allocate(length);
  std::uint8_t* out = body.mutable_bytes().data();
  for (const auto& [head, range] : pieces) {
    out = copy_bytes(as_bytes(head), out);
    out = copy_bytes(file.content.bytes().subspan(range.first, range.size), out);
  }
  return body;
}

}  // namespace

/// A request whose file is being read.
class FileServer::Waiting final : public http::ExchangeHandler, public FileCache::Waiter {
 public:
  Waiting(FileServer& server, const http::Incoming& in, FileCache::Load& load)
      : server_(server), exchange_(in.exchange), alt_svc_(in.alt_svc), load_(load) {}
  std::list<Waiting>::iterator self;

  void on_loaded(const LoadedFile& file) override {
    FileServer& server = server_;
    const std::string alt_svc = std::move(alt_svc_);
    const http::Incoming in{exchange_, alt_svc};
    server.waiting_.erase(self);
    if (file)
      server.answer(in, *file);
    else
      server.answer_missing(in, file.error());
  }
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error*) override {
    FileCache::leave(load_, *this);
    server_.waiting_.erase(self);
  }

 private:
  FileServer& server_;
  http::Exchange& exchange_;
  std::string alt_svc_;  // its own: the listener's may change meanwhile
  FileCache::Load& load_;
};

FileServer::FileServer(std::shared_ptr<const ServedFolder> folder, http::Replies& replies,
                       const FileServerOptions& options)
    : replies_(replies),
      options_(options),
      cache_(std::move(folder), options.cache, options.load, options.reader),
      transfers_{.replies = replies, .reader = options.reader} {}

FileServer::~FileServer() = default;

void FileServer::serve(const http::Incoming& in) {
  const auto& request = in.exchange.request();
  if (request.method != "GET" && request.method != "HEAD") {
    http::Response head{.status = 405};
    head.fields.add("allow", allowed_methods);
    if (request.method != "OPTIONS")
      return replies_.sentence(in, std::move(head), "method not allowed; use GET, HEAD or OPTIONS");
    head.status = 204;
    replies_.complete(in, head);
    return replies_.send(in, head, {});
  }

  auto found = cache_.find(request.path, in.exchange.connection().timers().now());
  if (auto* const file = std::get_if<std::shared_ptr<CachedFile>>(&found))
    return answer(in, std::move(*file));
  if (const auto* const missing = std::get_if<MissingFile>(&found)) return answer_missing(in, *missing);
  auto& load = *std::get<FileCache::Load*>(found);
  auto& waiting = waiting_.emplace_back(*this, in, load);
  waiting.self = std::prev(waiting_.end());
  in.exchange.set_handler(&waiting);
  FileCache::wait(load, waiting);
}

void FileServer::answer(const http::Incoming& in, std::shared_ptr<CachedFile> found) {
  const auto& request = in.exchange.request();
  CachedFile& file = *found;
  if (file.generated || !has_conditions(request.fields)) return send_whole(in, std::move(found));

  const auto today = replies_.clock().seconds(in.exchange.connection().timers().now());
  switch (check_preconditions(request.fields, file.validators, today)) {
    case Precondition::failed:
      return replies_.sentence(in, 412, "precondition failed");
    case Precondition::not_modified: {
      http::Response head{.status = 304};
      file.add_metadata(head.fields);
      replies_.complete(in, head);
      return replies_.send(in, head, {});
    }
    case Precondition::proceed:
      break;
  }

  const auto range = request.fields.find("range");
  if (!range || request.method != "GET" || !range_applies(request.fields, file.validators, today))
    return send_whole(in, std::move(found));
  auto selection = select_ranges(*range, file.size);
  switch (selection.outcome) {
    case RangeSelection::Outcome::whole:
      return send_whole(in, std::move(found));
    case RangeSelection::Outcome::partial:
      return send_ranges(in, std::move(found), std::move(selection.ranges));
    case RangeSelection::Outcome::unsatisfiable: {
      http::Response head{.status = 416};
      head.fields.add("content-range", fmt::format("bytes */{}", file.size));
      file.add_metadata(head.fields);
      return replies_.sentence(in, std::move(head), "range not satisfiable");
    }
  }
}

void FileServer::answer_missing(const http::Incoming& in, const MissingFile& missing) {
  const std::string_view path = in.exchange.request().path;
  http::Response head{.status = missing.status};
  switch (missing.status) {
    case 301:
      head.fields.add("location",
                      missing.redirect + std::string(path.substr(std::min(path.find('?'), path.size()))));
      return replies_.sentence(in, std::move(head), "this is a folder; its URL ends with a slash");
    case 400:
      return replies_.sentence(in, std::move(head), "bad request: the path is malformed");
    case 403:
      return replies_.sentence(in, std::move(head),
                               "forbidden: the server has no permission to read this file");
    case 404:
      return replies_.sentence(in, std::move(head), "not found: no such file");
    case 503:
      if (missing.shortage) note_shortage();
      head.fields.add("retry-after", "5");
      return replies_.sentence(in, std::move(head),
                               "the server cannot open the file at the moment; try again later");
    default:
      return replies_.sentence(in, std::move(head), "the server cannot read the file");
  }
}

void FileServer::note_shortage() {
  ++shortages_;
  static LogOnce once;
  if (once.first()) log_error("cannot open files: too many are open already; raise the limit, ulimit -n");
}

void FileServer::send_whole(const http::Incoming& in, std::shared_ptr<CachedFile> file) {
  const auto& head = file->ok_head(replies_, in);
  if (file->in_memory) return replies_.send(in, head, file->content);
  const ByteRange all{0, file->size};
  transfer(in, head, std::move(file), {{{}, all}});
}

void FileServer::send_ranges(const http::Incoming& in, std::shared_ptr<CachedFile> file,
                             std::vector<ByteRange> ranges) {
  http::Response head{.status = 206};
  std::vector<TransferPiece> pieces;
  std::uint64_t length = 0;
  if (ranges.size() == 1) {
    length = ranges[0].size;
    head.fields.add("content-type", file->type);
    head.fields.add("content-range", content_range(ranges[0], file->size));
    pieces.push_back({{}, ranges[0]});
  } else {
    auto parts = make_multipart(ranges, file->size, file->type, make_boundary());
    length = parts.length;
    head.fields.add("content-type", parts.content_type);
    for (std::size_t i = 0; i < ranges.size(); ++i) pieces.push_back({std::move(parts.heads[i]), ranges[i]});
    pieces.push_back({std::move(parts.tail), {}});
  }
  head.fields.add("content-length", fmt::format_int(length).c_str());
  file->add_metadata(head.fields);
  replies_.complete(in, head);
  if (file->in_memory) return replies_.send(in, head, assemble(*file, pieces, length));
  transfer(in, head, std::move(file), std::move(pieces));
}

void FileServer::transfer(const http::Incoming& in, const http::Response& head,
                          std::shared_ptr<CachedFile> file, std::vector<TransferPiece> pieces) {
  auto& exchange = in.exchange;
  if (exchange.request().method == "HEAD") return replies_.send(in, head, {});
  if (transfers_.counters.queued_bytes > options_.max_queued) {
    http::Response busy{.status = 503};
    busy.fields.add("retry-after", "5");
    return replies_.sentence(in, std::move(busy),
                             "too many bytes are queued for slow clients; try again later");
  }
  replies_.count_head(in, head.status);
  FileTransfer::start(transfers_, exchange, head, std::move(file), std::move(pieces));
}

}  // namespace sallyport::files

// AccessLog: one line for each request and each tunnel, written when it ends: --access-log. Shared by the
// workers; each has a WorkerAccessLog. Its own thread formats and writes: when the disk is slow or full,
// lines are dropped and counted, and traffic is not delayed.
#pragma once

#include "base/result.h"
#include "gateway/access_format.h"
#include "http/exchange_log.h"
#include "trace/line_writer.h"

#include <cstdint>
#include <memory>
#include <string>

namespace sallyport::gateway {

class WorkerAccessLog;

class AccessLog {
 public:
  /// `file`: "-" is standard output.
  static Result<std::shared_ptr<AccessLog>> open(const std::string& file, AccessFormat format);
  /// The error of open(), without opening or making the file.
  static Result<> check(const std::string& file);
  /// Throws std::system_error where the system gives no thread.
  AccessLog(std::unique_ptr<trace::LineSink> sink, AccessFormat format,
            trace::LineWriterOptions options = {});

  /// A worker's own, for its thread; this outlives it.
  std::unique_ptr<WorkerAccessLog> for_worker();
  /// After the file was renamed. From any thread.
  void reopen() { writer_.reopen(); }
  trace::LineWriter::Counters counters() const { return writer_.counters(); }

 private:
  trace::LineWriter writer_;
};

class WorkerAccessLog final : public http::ExchangeLog {
 public:
  /// `key`: random; makes request IDs unique over all workers and starts.
  WorkerAccessLog(trace::LineQueue& queue, std::uint64_t key) : queue_(queue), key_(key) {}
  void on_exchange_ended(const http::Connection& connection, const http::ExchangeRecord& record) override;

 private:
  trace::LineQueue& queue_;
  const std::uint64_t key_;
  std::uint64_t number_ = 0;
};

}  // namespace sallyport::gateway

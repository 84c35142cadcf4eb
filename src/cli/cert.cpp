#include "cli/cert.h"

#include "base/file.h"
#include "cli/command.h"
#include "tls/certificate.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

constexpr unsigned longest_days = 3650;  // that tls::make_self_signed() takes
constexpr std::size_t largest_pem = 1024 * 1024;

struct SelfSignedFlags {
  std::vector<std::string> names;
  std::string certificate = "cert.pem", key = "key.pem";
  unsigned days = 13;
  bool force = false;
};

struct SpkiFlags {
  std::string file;
  unsigned port = 443;
};

bool is_host(std::string_view name) {
  constexpr std::string_view known = "*-.:_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return name.find_first_not_of(known) == std::string_view::npos && !name.starts_with('-');
}

Result<int> run_self_signed(const SelfSignedFlags& flags) {
  // However the two are written: "cert.pem" and "./cert.pem" are one.
  const auto place = [](const std::string& path) { return std::filesystem::weakly_canonical(path); };
  if (place(flags.certificate) == place(flags.key))
    return fail(ErrorKind::usage, "--cert and --key name the same file; give each its own");
  auto pair = tls::make_self_signed(flags.names, flags.days);
  if (!pair) return std::unexpected(pair.error());
  const IfExists if_exists = flags.force ? IfExists::replace : IfExists::refuse;
  // Neither is touched when one of them is in the way.
  for (const std::string& path : {flags.certificate, flags.key}) {
    if (!flags.force && file_exists(path))
      return fail(ErrorKind::file, path + " exists; --force replaces it");
  }
  if (auto written = write_file(flags.key, pair->key_pem, 0600, if_exists); !written)
    return std::unexpected(written.error());
  if (auto written = write_file(flags.certificate, pair->certificate_pem, 0644, if_exists); !written) {
    return std::unexpected(written.error());
  }
  const auto fingerprint = tls::spki_fingerprint(pair->certificate_pem);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  print(stdout, fmt::format("certificate  {}\nkey          {}\nvalid        {} days\nspki         {}\n",
                            flags.certificate, flags.key, flags.days, *fingerprint));
  return 0;
}

Result<int> run_spki(const SpkiFlags& flags) {
  const auto pem = read_file(flags.file, largest_pem);
  if (!pem) return std::unexpected(pem.error());
  const auto fingerprint = tls::spki_fingerprint(*pem);
  const auto names = tls::certificate_names(*pem);
  if (!fingerprint || !names) return fail(ErrorKind::file, flags.file + " holds no certificate in PEM form");
  // It becomes part of a command line that somebody copies.
  std::string host = names->empty() || !is_host(names->front()) ? "HOST" : names->front();
  if (host.starts_with("*.")) host.replace(0, 1, "www");
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  print(stdout,
        fmt::format(
            "{0}\n\n"
            "chromium --ignore-certificate-errors-spki-list={0} \\\n"
            "         --origin-to-force-quic-on={1}:{2} --user-data-dir=$(mktemp -d) https://{1}:{2}/\n",
            *fingerprint, host, flags.port));
  return 0;
}

}  // namespace

void add_cert(CLI::App& app, ExitStatus& status) {
  CLI::App* cert = app.add_subcommand("cert", "Make a test certificate, or tell Chromium to trust one");
  cert->require_subcommand(1);

  auto self_signed = std::make_shared<SelfSignedFlags>();
  CLI::App* make =
      cert->add_subcommand("self-signed", "Make a certificate and its key (P-256) for names and addresses");
  make->add_option("NAME", self_signed->names, "A host name (`*.` in front allowed) or an address")
      ->required();
  make->add_option("--cert", self_signed->certificate, "File for the certificate")
      ->type_name("FILE")
      ->capture_default_str();
  make->add_option("--key", self_signed->key, "File for the key")->type_name("FILE")->capture_default_str();
  make->add_option("--days", self_signed->days,
                   "How long it is valid; browsers take up to 14 days by its fingerprint")
      ->type_name("N")
      ->check(CLI::Range(1U, longest_days))
      ->capture_default_str();
  make->add_flag("--force", self_signed->force, "Replace files that exist");
  make->callback([self_signed, &status] { finish_with(run_self_signed(*self_signed), status); });

  auto spki = std::make_shared<SpkiFlags>();
  CLI::App* show = cert->add_subcommand(
      "spki", "Print a certificate's fingerprint and the Chromium command line that trusts it");
  show->add_option("FILE", spki->file, "A certificate in PEM form")->required();
  show->add_option("--port", spki->port, "The port in that command line")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  show->callback([spki, &status] { finish_with(run_spki(*spki), status); });
}

}  // namespace sallyport::cli

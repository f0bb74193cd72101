#!/usr/bin/env ruby
# Lets real Rails make the known answers of waxseal-rails.
#
#     apt-get install ruby-actionpack
#     ruby make.rb          writes answers.json
#
# A cookie is made by the cookie jar of ActionDispatch, and read by it again; only the clock is fixed. SHA-256, the digest of
# `load_defaults 7.0`, is given to Rails 6.1 by a key generator of this file.

require "action_dispatch"
require "active_support"
require "active_support/all"
require "active_support/testing/time_helpers"
require "active_support/messages/rotation_configuration"
require "json"
require "openssl"

ActionDispatch::Cookies # loads what it adds to requests
include ActiveSupport::Testing::TimeHelpers

NOW = Time.at(1_700_000_000).utc
BASE = "5f" * 64
NAME = "_shop_session"

def after_teardown; end

DIGESTS = { "sha1" => OpenSSL::Digest::SHA1, "sha256" => OpenSSL::Digest::SHA256 }

# Rails 6.1 has SHA-1 written into `ActiveSupport::KeyGenerator`; later ones take the digest from here.
class Generator
  def initialize(base, digest, iterations)
    @base, @digest, @iterations = base, digest, iterations
  end

  def generate_key(salt, length = 64)
    OpenSSL::PKCS5.pbkdf2_hmac(@base, salt, @iterations, length, @digest.new)
  end
end

def generator(settings)
  base, iterations = settings.fetch(:base, BASE), settings.fetch(:iterations, 1000)
  if settings.fetch(:digest, "sha256") == "sha1"
    ActiveSupport::KeyGenerator.new(base, iterations: iterations)
  else
    Generator.new(base, DIGESTS.fetch(settings.fetch(:digest, "sha256")), iterations)
  end
end

def request(settings, cookie = nil)
  env = {
    "action_dispatch.key_generator" => generator(settings),
    "action_dispatch.secret_key_base" => settings.fetch(:base, BASE),
    "action_dispatch.authenticated_encrypted_cookie_salt" => settings.fetch(:salt, "authenticated encrypted cookie"),
    "action_dispatch.use_authenticated_cookie_encryption" => true,
    "action_dispatch.encrypted_cookie_cipher" => "aes-256-gcm",
    "action_dispatch.cookies_serializer" => settings.fetch(:serializer, :json),
    "action_dispatch.use_cookies_with_metadata" => settings.fetch(:metadata, true),
    "action_dispatch.cookies_rotations" => ActiveSupport::Messages::RotationConfiguration.new,
    "HTTP_HOST" => "shop.example.org", "rack.input" => StringIO.new, "REQUEST_METHOD" => "GET",
  }
  env["HTTP_COOKIE"] = "#{NAME}=#{cookie}" if cookie
  ActionDispatch::Request.new(env)
end

def answer(name, settings, content)
  travel_to(NOW) do
    of = request(settings)
    written = settings.fetch(:cookie, NAME)
    of.cookie_jar.encrypted[written] = { value: content, expires: settings[:expires] }.compact
    headers = {}
    of.cookie_jar.write(headers)
    cookie = headers.fetch("Set-Cookie")[/\A#{written}=([^;]*)/, 1]
    read = request(settings, cookie).cookie_jar.encrypted[NAME]
    {
      name: name, base: settings.fetch(:base, BASE), digest: settings.fetch(:digest, "sha256"),
      iterations: settings.fetch(:iterations, 1000), salt: settings.fetch(:salt, "authenticated encrypted cookie"),
      metadata: settings.fetch(:metadata, true), refused: settings[:refused], cookie: cookie,
      expires: settings[:expires]&.to_i, json: settings[:refused] ? nil : ActiveSupport::JSON.encode(read),
      rails: ActionPack::VERSION::STRING,
    }.compact
  end
end

ID = "0123456789abcdef0123456789abcdef"
USER = { "session_id" => ID, "_csrf_token" => "token", "user_id" => 7, "cart" => [1, 2] }

answers = [
  answer("user", {}, USER),
  answer("sha1", { digest: "sha1" }, USER),
  answer("sha1, 65536 iterations", { digest: "sha1", iterations: 65_536 }, USER),
  answer("sha256, 65536 iterations", { iterations: 65_536 }, USER),
  answer("another salt", { salt: "pepper" }, USER),
  answer("another secret", { base: "Zoë ☃" }, USER),
  answer("expires", { expires: NOW + 3600 }, USER),
  answer("expires after leap day", { expires: Time.utc(2024, 2, 29, 23, 59, 59) }, USER),
  answer("without metadata", { metadata: false }, USER),
  answer("without metadata, expires", { metadata: false, expires: NOW + 3600 }, USER),
  answer("hybrid", { serializer: :hybrid }, USER),
  answer("types", {}, {
    "session_id" => ID, "nil" => nil, "bools" => [true, false], "ints" => [0, -7, 2**53 + 1, 2**64 - 1, 2**100],
    "floats" => [1.5, 3.0, 1e16, 5e-324], "strs" => ["", "Zoë ☃ 😀", "\"\\/\b\f\n\r\t\x00\x7f<>&\u2028"],
    "nested" => { "a" => [{ "b" => {} }] }, "symbol" => :a, "time" => NOW,
  }),
  answer("devise", {}, { "session_id" => ID, "warden.user.user.key" => [[7], "$2a$12$abcdefghijklmnopqrstuv"] }),
  answer("flash", {}, {
    "session_id" => ID, "flash" => { "discard" => ["old"], "flashes" => { "notice" => "saved", "old" => "seen" } },
  }),
  answer("refused: another cookie's", { cookie: "remember", refused: "Purpose" }, USER),
  answer("refused: expired", { expires: NOW, refused: "Expired" }, USER),
  answer("refused: expired, without metadata", { metadata: false, expires: NOW, refused: "Expired" }, USER),
  answer("refused: marshal", { serializer: :marshal, refused: "Marshal" }, USER),
]
lines = answers.map { |answer| JSON.generate(answer) }
File.write(File.join(__dir__, "answers.json"), "[\n#{lines.join(",\n")}\n]\n")

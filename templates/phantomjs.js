// Starts pyspider's phantomjs_fetcher.js, which stays as it is, with pages that fetch by http and https alone.
//     phantomjs phantomjs.js ADDRESS:PORT
// PYSPIDER_FETCHER is the path of that script. No page gets to PYSPIDER_PORTS of PYSPIDER_HOSTS, nor of this machine
// itself, however its address is written. Another name that leads there is the firewall's to stop.
(function () {
  var env = require('system').env, webpage = require('webpage'), create = webpage.create;
  var hosts = (env.PYSPIDER_HOSTS || '').toLowerCase().split(' '), ports = (env.PYSPIDER_PORTS || '').split(' ');
  var HERE = /^(localhost|.*\.localhost|127\..*|0\.0\.0\.0|\[.*\])$/;

  // An IPv4 address as people write it, from any of its other forms: 0x7f.1, 2130706433. A name stays as it is.
  function plain(host) {
    var words = host.split('.'), value = 0;
    for (var i = 0; i < words.length; i++) {
      if (!/^(0x[0-9a-f]*|[0-9]+)$/.test(words[i])) return host;
      var octal = /^0[0-9]/.test(words[i]), last = i === words.length - 1;
      value += (octal ? parseInt(words[i], 8) : Number(words[i])) * Math.pow(256, last ? 0 : 3 - i);
    }
    return [24, 16, 8, 0].map(function (bits) { return Math.floor(value / Math.pow(2, bits)) % 256; }).join('.');
  }

  // Whether a page may fetch this: by http and https alone, and nothing at the doors that are shut.
  function allowed(url) {
    var found = /^http(s?):\/\/(?:[^\/?#]*@)?(\[[^\]]*\]|[^\/?#:]*)(?::([0-9]*))?(?=[\/?#]|$)/i.exec(url);
    if (!found) return false;
    var host = plain(found[2].toLowerCase().replace(/\.$/, '')), port = String(Number(found[3] || (found[1] ? 443 : 80)));
    return ports.indexOf(port) < 0 || !(HERE.test(host) || hosts.indexOf(host) >= 0);
  }

  function guard(page) {
    page.settings.localToRemoteUrlAccessEnabled = false;
    // Beside the handlers that pyspider's script sets, of which there is only one for each name.
    page.resourceRequested.connect(function (request, network) {
      // Such an image is in the page itself.
      if (allowed(request.url) || /^data:/i.test(request.url)) return;
      console.log('refused: ' + request.url.slice(0, 200));
      network.abort();
    });
    // window.open of a page's own script.
    page.rawPageCreated.connect(guard);
    return page;
  }

  webpage.create = function () { return guard(create.apply(webpage, arguments)); };

  // Whoever asks whether it lives is answered here: pyspider's script begins with the removal of all cookies, also of
  // a page that is being rendered.
  var webserver = require('webserver'), serve = webserver.create;
  webserver.create = function () {
    var server = serve.apply(webserver, arguments), listen = server.listen;
    server.listen = function (port, options, answer) {
      return listen.call(server, port, options, function (request, response) {
        if (request.method !== 'GET') return answer(request, response);
        response.statusCode = 403;
        response.headers = {'Cache': 'no-cache', 'Content-Length': 19};
        response.write('method not allowed!');
        response.closeGracefully();
      });
    };
    return server;
  };
  if (!phantom.injectJs(env.PYSPIDER_FETCHER)) {
    console.log('no such script: ' + env.PYSPIDER_FETCHER);
    phantom.exit(1);
  }
}());

// Says, of each request that node's own HTTP parser reads, what it read. usage: node reader.js PORT
const http = require('http');

http.createServer((request, response) => {
  const body = [];
  request.on('data', (bytes) => body.push(bytes));
  request.on('end', () => {
    const fields = request.rawHeaders.length / 2;
    const text = [request.method, request.url, fields, Buffer.concat(body).toString('base64')].join(' ');
    response.setHeader('Content-Length', text.length);
    response.end(request.method === 'HEAD' ? undefined : text);
    if (request.method === 'HEAD') console.log(text);
  });
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));

// OpenAI's SDK for Node.

import assert from 'node:assert/strict';
import test from 'node:test';

import OpenAI from 'openai';

import { apiKey, embeddingModel, model, parameters, question, url } from './asked.mjs';

const client = new OpenAI({ baseURL: url, apiKey, maxRetries: 0 });
const messages = [{ role: 'user', content: question }];
const chatTool = { type: 'function', function: { name: 'get_weather', parameters } };

test('chat: whole and streamed are alike', async () => {
  const settings = { model, messages, temperature: 0, max_tokens: 16 };
  const whole = await client.chat.completions.create(settings);
  let text = '';
  for await (const chunk of await client.chat.completions.create({ ...settings, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? '';
  }
  assert.match(text, /Paris/);
  assert.equal(whole.choices[0].message.content, text);
});

test('chat: a call in a stream', async () => {
  const stream = client.chat.completions.stream({
    model, messages, tools: [chatTool], tool_choice: 'required', max_tokens: 128,
  });
  const completion = await stream.finalChatCompletion();
  const call = completion.choices[0].message.tool_calls[0];
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)).sort(), ['city', 'unit']);
});

test('chat: a form', async () => {
  const schema = { ...parameters };
  const reply = await client.chat.completions.create({
    model, messages, max_tokens: 128,
    response_format: { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } },
  });
  assert.ok(JSON.parse(reply.choices[0].message.content).city);
});

test('responses: a stream, and the response stored', async () => {
  const stream = client.responses.stream({ model, input: question, max_output_tokens: 24 });
  let text = '';
  stream.on('response.output_text.delta', (event) => { text += event.delta; });
  const response = await stream.finalResponse();
  assert.equal(response.output_text, text);
  const stored = await client.responses.retrieve(response.id);
  assert.equal(stored.output_text, text);
});

test('responses: a call', async () => {
  const response = await client.responses.create({
    model, input: question, tool_choice: 'required', max_output_tokens: 128,
    tools: [{ type: 'function', name: 'get_weather', parameters, strict: true }],
  });
  const call = response.output.find((item) => item.type === 'function_call');
  assert.equal(call.name, 'get_weather');
});

test('embeddings', async () => {
  const reply = await client.embeddings.create({ model: embeddingModel, input: ['one', 'two'] });
  assert.equal(reply.data.length, 2);
});

test('errors', async () => {
  const bad = client.responses.create({ model: 'nobody', input: 'x' });
  await assert.rejects(bad, OpenAI.NotFoundError);
  const worse = client.chat.completions.create({ model, messages, temperature: 3 });
  await assert.rejects(worse, OpenAI.BadRequestError);
});

// Whether answers are what an OpenAPI document says, by ajv.
import Ajv2020 from 'ajv/dist/2020.js';

export class Described {
  #document;
  #ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true, validateFormats: false });
  #paths;

  constructor(document) {
    this.#document = document;
    this.#ajv.addSchema(document, 'api');
    this.#paths = Object.keys(document.paths).map(path => ({
      path,
      // What may stand behind a document of discovery counts as the document.
      pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')}${path.includes('.well-known/o') ? '(/.*)?' : ''}$`),
    }));
  }

  /** The path of the document that an address belongs to; undefined: none. */
  pathOf(pathname) {
    return this.#paths.find(one => one.path === pathname)?.path ?? this.#paths.find(one => one.pattern.test(pathname))?.path;
  }

  /**
   * @param isUnknown whether a value stands for one that is not known, and fits everywhere
   * @returns {string[]} what is wrong with an answer; empty: nothing
   */
  refuse(method, pathname, status, contentType, body, isUnknown = () => false) {
    const path = this.pathOf(pathname);
    if (path === undefined) return [`${pathname} is not in the document`];
    const operation = this.#document.paths[path][method.toLowerCase()];
    if (!operation) return [`${method} ${path} is not in the document`];
    const given = operation.responses[status];
    if (!given) return [`${method} ${path} answers ${status}, which is not in the document`];
    const [pointer, response] = given.$ref
      ? [given.$ref, given.$ref.slice(2).split('/').reduce((value, key) => value[key], this.#document)]
      : [`#/paths/${escape(path)}/${method.toLowerCase()}/responses/${status}`, given];
    const type = contentType?.split(';')[0];
    if (type !== 'application/json') return response.content?.['application/json'] ? [`${method} ${path} ${status} is ${type}`] : [];
    if (!response.content?.[type]) return [`${method} ${path} ${status} has a body that is not in the document`];

    const validate = this.#ajv.getSchema(`api${pointer}/content/${escape(type)}/schema`) ?? this.#ajv.compile({ $ref: `api${pointer}/content/${escape(type)}/schema` });
    if (validate(body)) return [];
    return validate.errors.filter(error => !isUnknown(error.data)).map(error => `${method} ${path} ${status} ${error.instancePath} ${error.message}: ${JSON.stringify(error.data)}`);
  }
}

function escape(key) {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));
}

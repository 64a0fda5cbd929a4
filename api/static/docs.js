const url = document.currentScript.dataset.document;
SwaggerUIBundle({ url, dom_id: "#api", deepLinking: true, validatorUrl: null });

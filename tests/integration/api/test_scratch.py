import json
def test_it(service, uploaded, artifacts, admin, trained):
    name,_=uploaded
    for k in ("housing","iris-names","iris-arrays","plane"):
        r=admin.upload(name+k, artifacts[k])
        print(json.dumps(r.json,indent=1))
    r = admin.get(f"/models/{name}/1"); print(r.json, r.headers)
    r = admin.get(f"/models/{name}/1/artifact"); print(r.headers)
    r = admin.get(f"/models/{name}/1/artifact", headers={"Range":"bytes=99999999-"}); print(r.headers, r.json)
    r = admin.get(f"/models/{name}/1/artifact", headers={"If-None-Match":r.headers.get("ETag","")}); print(r.headers)
    r = admin.ask("HEAD",f"/models/{name}/1/artifact"); print(r.headers)
    assert 0
